package storetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var slotTests = map[string]func(*fixture){
	"Waiting/ALaterEventTakesTheSlot": func(f *fixture) {
		a, b, c := f.inSlot("e", "k", "0a", 0), f.inSlot("e", "k", "0a", 5), f.inSlot("e", "k", "0b", 3)
		require.Zero(f, f.s.Append(f.ctx, []store.Append{a})[0].Superseded)
		require.Zero(f, f.s.Append(f.ctx, []store.Append{c})[0].Superseded)
		r := f.s.Append(f.ctx, []store.Append{b})[0]
		require.NoError(f, r.Err)
		requireRefs(f, []event.Ref{a.Event.Ref()}, []event.Ref{r.Superseded})
		now := waits(b)
		now.First = a.Place.At
		requireWaiting(f, []store.Waiting{waits(c), now}, f.waitingOf("e", "k"))
		requireWaiting(f, []store.Waiting{waits(c), now}, f.waitingUpTo("e", f.at(10), nil, 10))
		events, err := f.s.Events(f.ctx, f.service, []store.Member{a.Event.Ref(), b.Event.Ref()})
		require.NoError(f, err, "the superseded event is kept")
		require.Len(f, events, 2)

		late := f.inSlot("e", "k", "0a", 2) // received before b
		r = f.s.Append(f.ctx, []store.Append{late})[0]
		require.NoError(f, r.Err)
		requireRefs(f, []event.Ref{late.Event.Ref()}, []event.Ref{r.Superseded})
		requireWaiting(f, []store.Waiting{waits(c), now}, f.waitingOf("e", "k"))
	},

	"Waiting/TheFirstKeepsTheSlot": func(f *fixture) {
		a, b := f.inSlot("e", "k", "0a", 0), f.inSlot("e", "k", "0a", 5)
		a.Place.KeepFirst, b.Place.KeepFirst = true, true
		f.add(a)
		r := f.s.Append(f.ctx, []store.Append{b})[0]
		require.NoError(f, r.Err)
		requireRefs(f, []event.Ref{b.Event.Ref()}, []event.Ref{r.Superseded})
		requireWaiting(f, []store.Waiting{waits(a)}, f.waitingOf("e", "k"))
		r = f.s.Append(f.ctx, []store.Append{b})[0]
		require.NoError(f, r.Err)
		require.False(f, r.Duplicate, "the same attempt: its answer was lost")
	},

	"Waiting/TheSlotHoldsItsTime": func(f *fixture) {
		a, b := f.inSlot("e", "k", "0a", 0), f.inSlot("e", "k", "0a", 5)
		b.Place.HoldAt = true
		f.add(a, b)
		now := waits(b)
		now.At, now.First = a.Place.At, a.Place.At
		requireWaiting(f, []store.Waiting{now}, f.waitingOf("e", "k"))
		requireWaiting(f, []store.Waiting{now}, f.waitingUpTo("e", f.now, nil, 10))
	},

	// A driver may add several pointers by one statement, whether their slots are free or not.
	"Waiting/SlotsOfALargeCall": func(f *fixture) {
		before := f.inSlot("e", "k", "aa", 0)
		f.add(before)
		var reqs []store.Append
		want, lost := []string{}, []string{before.Event.ID}
		for i := range 20 {
			slot := fmt.Sprintf("%02x", i)
			switch i {
			case 12:
				slot = "03"
			case 17:
				slot = "aa"
			}
			reqs = append(reqs, f.inSlot("e", "k", slot, i+1))
			if i == 3 {
				lost = append(lost, reqs[i].Event.ID)
			} else {
				want = append(want, reqs[i].Event.ID)
			}
		}
		var gone, there []string
		for _, r := range f.s.Append(f.ctx, reqs) {
			require.NoError(f, r.Err)
			if r.Superseded.ID != "" {
				gone = append(gone, r.Superseded.ID)
			}
		}
		for _, w := range f.waitingOf("e", "k") {
			there = append(there, w.ID)
		}
		require.ElementsMatch(f, lost, gone)
		require.ElementsMatch(f, want, there)
	},

	"Waiting/SlotsOfOneCall": func(f *fixture) {
		reqs := []store.Append{
			f.inSlot("e", "k", "0a", 0), f.inSlot("e", "k", "0a", 1), f.inSlot("e", "k", "0a", 2),
			f.inSlot("e", "l", "0a", 3), f.inSlot("o", "k", "0a", 4),
		}
		results := f.s.Append(f.ctx, reqs)
		for _, r := range results {
			require.NoError(f, r.Err)
		}
		lost := []string{}
		for _, r := range results {
			if r.Superseded.ID != "" {
				lost = append(lost, r.Superseded.ID)
			}
		}
		require.ElementsMatch(f, []string{reqs[0].Event.ID, reqs[1].Event.ID}, lost)
		last := waits(reqs[2])
		last.First = f.waitingOf("e", "k")[0].First // a driver may collapse the events of one call
		requireWaiting(f, []store.Waiting{last}, f.waitingOf("e", "k"))
		require.Len(f, f.waitingOf("e", "l"), 1)
		require.Len(f, f.waitingOf("o", "k"), 1)
	},

	"Waiting/ManyTakeOneSlot": func(f *fixture) {
		const n = 16
		reqs := make([]store.Append, n)
		for i := range reqs {
			reqs[i] = f.inSlot("e", "k", "0a", i)
		}
		results := together(n, func(i int) store.AppendResult { return f.s.Append(f.ctx, reqs[i:i+1])[0] })
		lost := map[string]bool{}
		for _, r := range results {
			require.NoError(f, r.Err)
			if r.Superseded.ID != "" {
				require.False(f, lost[r.Superseded.ID], "an event loses the slot once")
				lost[r.Superseded.ID] = true
			}
		}
		require.Len(f, lost, n-1)
		ws := f.waitingOf("e", "k")
		require.Len(f, ws, 1)
		require.Equal(f, reqs[n-1].Event.ID, ws[0].ID, "the newest has it")
	},

	"Waiting/AnEventThatIsOverGivesItsSlotAway": func(f *fixture) {
		a, b, c := f.inSlot("e", "k", "0a", 0), f.inSlot("e", "k", "0a", 5), f.inSlot("e", "k", "0a", 7)
		b.Place.KeepFirst, b.Place.HoldAt, b.Place.Over = true, true, f.at(0)
		c.Place.KeepFirst, c.Place.Over = true, f.at(4)
		f.add(a)
		r := f.s.Append(f.ctx, []store.Append{b})[0]
		require.NoError(f, r.Err)
		requireRefs(f, []event.Ref{a.Event.Ref()}, []event.Ref{r.Superseded})
		requireWaiting(f, []store.Waiting{waits(b)}, f.waitingOf("e", "k"))
		r = f.s.Append(f.ctx, []store.Append{c})[0]
		require.NoError(f, r.Err)
		requireRefs(f, []event.Ref{c.Event.Ref()}, []event.Ref{r.Superseded})
	},
}
