package gate

// Closing reports whether Close was called.
func (g *Gate) Closing() bool { return g.closing.Load() }

// Idle returns when no work is in flight. The caller must begin none meanwhile.
func (g *Gate) Idle() { g.inFlight.Wait() }
