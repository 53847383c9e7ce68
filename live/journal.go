package live

import (
	"slices"
	"sync"
	"time"
)

// Sent is a state that was given to those who subscribed to it.
type Sent struct {
	At      time.Time `json:"at"`
	Entity  string    `json:"entity"`
	ID      string    `json:"id"`
	Version string    `json:"version,omitempty"`
	Gone    bool      `json:"gone,omitempty"`
	Clients int       `json:"clients"` // that it concerned
}

// journalSize is how much is remembered of what was sent.
const journalSize = 100

// journal remembers what was sent last, newest at the end. Its memory is bounded.
type journal struct {
	mu   sync.Mutex
	sent []Sent
}

func (j *journal) add(s Sent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.sent) == journalSize {
		copy(j.sent, j.sent[1:])
		j.sent = j.sent[:journalSize-1]
	}
	j.sent = append(j.sent, s)
}

// Journal is what this instance sent last, newest first.
func (h *Hub) Journal() []Sent {
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	out := append([]Sent{}, h.journal.sent...)
	slices.Reverse(out)
	return out
}

// moved says that clients or what they were sent are not as they were, unless it is
// about that very thing: whoever is told would never come to rest.
func (h *Hub) moved(k Key) {
	if h.o.Moved != nil && (h.o.Own == "" || k.Org != h.o.Own) {
		h.o.Moved()
	}
}

// note remembers what was given to clients.
func (h *Hub) note(k Key, s *State, clients int) {
	if clients == 0 || h.o.Own != "" && k.Org == h.o.Own {
		return
	}
	h.journal.add(Sent{At: h.o.Now().UTC(), Entity: k.Entity(), ID: k.ID, Version: s.Version, Gone: s.Gone, Clients: clients})
	h.moved(k)
}
