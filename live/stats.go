package live

// Stats are numbers of a hub.
type Stats struct {
	Clients       int    // that are connected
	Subscriptions int    // that these have
	Frames        uint64 // that were written since the hub began
	Dropped       uint64 // clients that were closed since then because they did not keep up
}

// Stats returns the hub's numbers.
func (h *Hub) Stats() Stats {
	s := Stats{Frames: h.frames.Load(), Dropped: h.dropped.Load()}
	for _, c := range h.all() {
		c.mu.Lock()
		s.Clients++
		s.Subscriptions += len(c.subscriptions)
		c.mu.Unlock()
	}
	return s
}
