// Package journal remembers which changes this instance sent to live clients last. It
// keeps the last hundred in memory, and forgets them when the process ends.
package journal

import (
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/live"
)

// size is the most entries that are kept.
const size = 100

// Entry is a change that was sent.
type Entry struct {
	At      time.Time `json:"at"`
	Entity  string    `json:"entity"`
	ID      string    `json:"id"`
	Version string    `json:"version,omitempty"`
	Gone    bool      `json:"gone,omitempty"`
	Clients int       `json:"clients"` // that subscribed to it
}

// Journal is safe for use by many goroutines. Its zero value is empty.
type Journal struct {
	mu      sync.Mutex
	entries []Entry // the newest at the end
}

// Add adds a change, and drops the oldest one if the journal is full.
func (j *Journal) Add(d live.Delivery) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) == size {
		copy(j.entries, j.entries[1:])
		j.entries = j.entries[:size-1]
	}
	j.entries = append(j.entries, Entry{At: d.At, Entity: d.Key.Entity(), ID: d.Key.ID, Version: d.Version, Gone: d.Gone, Clients: d.Clients})
}

// Newest returns the entries, the newest first.
func (j *Journal) Newest() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := append([]Entry{}, j.entries...)
	slices.Reverse(out)
	return out
}
