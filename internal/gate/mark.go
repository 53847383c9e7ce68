package gate

import (
	"slices"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// markSize is the size of a mark, by which it differs from the pointer of an event.
const markSize = -1

// marks returns the marks of the claim: one in each scope that has members, of each endpoint
// that has some. The endpoints of a scope are read one by one, and while they are, a claim may
// begin. Whatever is read of an endpoint then has the events that the claim's first part takes,
// so that a claim of them is refused, or it has the mark.
func (g *Gate) marks(c store.Claim, s gathered) (all []store.Taken) {
	if len(s.Marks) == 0 {
		return nil
	}
	marked := s.Marked
	if len(marked) == 0 {
		marked = []int{0}
	}
	for _, i := range marked {
		t := store.Taken{Endpoint: g.endpointOf(&c, i)}
		for _, at := range s.Marks {
			ref := event.Ref{ID: c.ID, ReceivedAt: at, Size: markSize}
			if c.Window == nil {
				t.Pointers = append(t.Pointers, ref)
			} else {
				t.Waiting = append(t.Waiting, event.Waiting{Ref: ref, Key: c.Window.Key, At: at, First: at})
			}
		}
		all = append(all, t)
	}
	return all
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
