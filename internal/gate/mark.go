package gate

import (
	"slices"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// markSize is the size of a mark, by which it differs from the pointer of an event.
const markSize = -1

// marks returns the marks of the claim: one in each scope that has members.
func (g *Gate) marks(c store.Claim, s gathered) store.Taken {
	t := store.Taken{Endpoint: g.endpointOf(&c, 0)}
	for _, at := range s.Marks {
		ref := event.Ref{ID: c.ID, ReceivedAt: at, Size: markSize}
		if c.Window == nil {
			t.Pointers = append(t.Pointers, ref)
		} else {
			t.Waiting = append(t.Waiting, event.Waiting{Ref: ref, Key: c.Window.Key, At: at, First: at})
		}
	}
	return t
}

// unmarked returns the pointers without marks, and the id of the claim whose mark is there.
func unmarked(refs []event.Ref) (rest []event.Ref, mark string) {
	isMark := func(r event.Ref) bool { return r.Size == markSize }
	i := slices.IndexFunc(refs, isMark)
	if i < 0 {
		return refs, ""
	}
	mark = refs[i].ID
	return slices.DeleteFunc(refs, isMark), mark
}

// unmarkedWaiting is unmarked for pointers of a set of keys.
func unmarkedWaiting(ws []event.Waiting) (rest []event.Waiting, mark *event.Waiting) {
	isMark := func(w event.Waiting) bool { return w.Size == markSize }
	i := slices.IndexFunc(ws, isMark)
	if i < 0 {
		return ws, nil
	}
	one := ws[i]
	return slices.DeleteFunc(ws, isMark), &one
}

// markOf returns the first mark that some endpoint has, or "".
func markOf(marks []string) string {
	for _, m := range marks {
		if m != "" {
			return m
		}
	}
	return ""
}
