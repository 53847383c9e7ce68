package gate

import (
	"context"
	"iter"
	"slices"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/message"
	"github.com/headgate/headgate/internal/store"
)

// included are the events that a claim's message carries. Those of a claim in parts are
// read part by part.
type included struct {
	g *Gate
	c store.Claim
	s gathered // of a claim in parts

	traces *eventTraces // gets those of the events that are read; may be nil
}

func (g *Gate) includedIn(c store.Claim) (included, error) {
	in := included{g: g, c: c}
	if c.Parts == 0 {
		return in, nil
	}
	var err error
	in.s, err = gatheredOf(c)
	return in, err
}

// size returns the sum of the events' sizes, and the largest.
func (in included) size() (sum, largest int64) {
	if in.c.Parts > 0 {
		return in.s.Size, in.s.Largest
	}
	for _, l := range in.c.Lists {
		for _, ref := range l.Included {
			sum, largest = sum+ref.Size, max(largest, ref.Size)
		}
	}
	return sum, largest
}

// count returns the number of a list's events.
func (in included) count(list int) int {
	n := len(in.c.Lists[list].Included)
	if in.c.Parts > 0 {
		n += in.s.Lists[list].Included
	}
	return n
}

// refs returns a list's events in the message's order, some at a time.
func (in included) refs(ctx context.Context, list int) iter.Seq2[[]event.Ref, error] {
	return func(yield func([]event.Ref, error) bool) {
		if refs := in.c.Lists[list].Included; len(refs) > 0 && !yield(refs, nil) {
			return
		}
		if in.c.Parts == 0 || in.s.Lists[list].Included == 0 {
			return
		}
		l := in.s.Lists[list]
		var mixed []event.Ref
		for part := l.From; part <= l.To; part++ {
			members, err := in.g.store.Members(ctx, in.c.Service, in.c.ID, part)
			if err != nil {
				yield(nil, err)
				return
			}
			if list >= len(members) || len(members[list]) == 0 {
				continue
			}
			if l.Mixed {
				mixed = append(mixed, members[list]...)
			} else if !yield(members[list], nil) {
				return
			}
		}
		if len(mixed) > 0 {
			slices.SortFunc(mixed, event.Ref.Compare)
			yield(mixed, nil)
		}
	}
}

// events reads the events of the lists.
func (in included) events(ctx context.Context) message.Source {
	fetch := in.g.fetch(ctx)
	return func(list int) (int, iter.Seq2[event.Event, error]) {
		return in.count(list), func(yield func(event.Event, error) bool) {
			for refs, err := range in.refs(ctx, list) {
				if err != nil {
					yield(event.Event{}, err)
					return
				}
				for e, err := range fetch(refs) {
					in.traces.add(e)
					if !yield(e, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// memory estimates the memory of the references that refs holds at a time.
func (in included) memory() int64 {
	const each = 128
	if in.c.Parts == 0 {
		return 0
	}
	most := 0
	for _, l := range in.s.Lists {
		n := min(l.Included, gatherPage)
		if l.Mixed {
			n = l.Included
		}
		most = max(most, n)
	}
	return int64(most) * each
}
