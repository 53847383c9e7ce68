package incoming

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
)

// askingTime is longer than any call of the source takes: sourceTime and a margin.
const askingTime = 30 * time.Second

// watch holds the sessions of a list, and records whether we are registered with the
// source for it. A caller that asks the source for a change holds the watch until the
// source has answered. Otherwise an unregistration under way could undo a later
// registration.
type watch struct {
	List       string    `json:"list"`
	Sessions   []Session `json:"sessions"`
	Registered bool      `json:"registered"`
	// AskingUntil is the time at which the holder has surely given up. The zero time means
	// that nobody holds the watch. A time in the past means that the holder never stored
	// the source's answer, so Registered is in doubt.
	AskingUntil time.Time `json:"askingUntil,omitzero"`

	rev string
}

var watches = store.Collection{Kind: "sessions", Scope: "lists"}

func (s *Sessions) readWatch(ctx context.Context, id string) (*watch, error) {
	docs, err := s.docs.Get(ctx, watches, []string{id})
	if err != nil {
		return nil, err
	}
	w := &watch{List: id}
	if docs[0] == nil {
		return w, nil
	}
	err = json.Unmarshal(docs[0].Body, w)
	w.rev = docs[0].Rev
	return w, err
}

func (w *watch) write() store.Write {
	return store.Write{Collection: watches, Doc: store.Doc{ID: w.List, Body: list.Encode(w), Rev: w.rev}}
}

// with returns the watch after the session opened the list, or closed it.
func (w *watch) with(x Session, open bool) *watch {
	next := *w
	next.Sessions = toggled(w.Sessions, x, open)
	return &next
}

// toggled returns a new slice that contains v once, or not at all.
func toggled[T comparable](all []T, v T, in bool) []T {
	if in && slices.Contains(all, v) {
		return slices.Clone(all)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(o T) bool { return o == v })
	if in {
		all = append(all, v)
	}
	return all
}
