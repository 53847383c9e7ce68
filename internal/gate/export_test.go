package gate

// Closing reports whether Close was called.
func (g *Gate) Closing() bool { return g.closing.Load() }
