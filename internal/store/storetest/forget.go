package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// reuse returns a request that uses old's id again, received an hour later.
func (f *fixture) reuse(old store.Append, forgetBefore time.Time) store.Append {
	again := f.request(old.Endpoint.Key, old.Event.ReceivedAt.Add(time.Hour))
	again.Event.ID = old.Event.ID
	again.ForgetBefore = forgetBefore
	return again
}

var forgetTests = map[string]func(*fixture){
	"Forget/KeyUsedAgain": func(f *fixture) {
		old := f.request("a", f.now)
		claimed := f.add(old)
		require.NoError(f, f.s.Claim(f.ctx, f.claim("a", claimed...), []store.Taken{f.take("a", claimed...)}))

		again := f.reuse(old, f.at(1))
		refs := f.add(again)
		requireRefs(f, refs, f.pending("a"))
		// The old claim still finds its event, and the new event is a different one.
		requireEvents(f, []event.Event{old.Event, again.Event}, []event.Ref{claimed[0], refs[0]})
		requireEvents(f, []event.Event{again.Event}, refs)

		dup := again
		dup.Attempt = event.RandomID()
		r := f.s.Append(f.ctx, []store.Append{dup})[0]
		require.NoError(f, r.Err)
		require.True(f, r.Duplicate)
		requireTime(f, again.Event.ReceivedAt, r.ReceivedAt)
	},

	// An event makes a new one a duplicate only if it was received after ForgetBefore.
	"Forget/BoundaryIsForgotten": func(f *fixture) {
		old := f.request("a", f.now)
		f.add(old)
		r := f.s.Append(f.ctx, []store.Append{f.reuse(old, f.at(-1))})[0]
		require.NoError(f, r.Err)
		require.True(f, r.Duplicate)
		requireTime(f, f.now, r.ReceivedAt)
		f.add(f.reuse(old, f.now))
	},

	// The id of an event that a clock far ahead has stamped is not remembered for years.
	"Forget/AfterAnInstant": func(f *fixture) {
		ahead := f.request("a", f.now.Add(1000*24*time.Hour))
		f.add(ahead)
		again := f.request("a", f.now)
		again.Event.ID, again.ForgetBefore, again.ForgetAfter = ahead.Event.ID, f.at(-9), ahead.Event.ReceivedAt
		r := f.s.Append(f.ctx, []store.Append{again})[0]
		require.NoError(f, r.Err)
		require.True(f, r.Duplicate)
		again.ForgetAfter = ahead.Event.ReceivedAt.Add(-time.Microsecond)
		f.add(again)
		requireEvents(f, []event.Event{ahead.Event, again.Event}, []event.Ref{ahead.Event.Ref(), again.Event.Ref()})
	},

	"Forget/OwnRepeat": func(f *fixture) {
		old := f.request("a", f.now)
		f.add(old)
		again := f.reuse(old, f.now)
		f.add(again)
		r := f.s.Append(f.ctx, []store.Append{again})[0]
		require.NoError(f, r.Err)
		require.False(f, r.Duplicate)
		requireTime(f, again.Event.ReceivedAt, r.ReceivedAt)
		requireEvents(f, []event.Event{old.Event, again.Event}, []event.Ref{old.Event.Ref(), again.Event.Ref()})
	},

	"Forget/Twice": func(f *fixture) {
		one := f.request("a", f.now)
		f.add(one)
		two := f.reuse(one, f.now)
		f.add(two)
		three := f.reuse(two, two.Event.ReceivedAt)
		f.add(three)
		requireEvents(f, []event.Event{three.Event, one.Event, two.Event},
			[]event.Ref{three.Event.Ref(), one.Event.Ref(), two.Event.Ref()})
	},

	// The old event was never claimed, and its pointer was not swept yet.
	"Forget/StalePointerLeftAlone": func(f *fixture) {
		old := f.request("a", f.now)
		stale := f.add(old)
		again := f.reuse(old, f.now)
		fresh := f.add(again)

		ps, err := f.s.Pending(f.ctx, f.ep("a"), f.now, 0)
		require.NoError(f, err)
		requireRefs(f, fresh, ps)
		ps, err = f.s.Stale(f.ctx, f.ep("a"), f.now, 10)
		require.NoError(f, err)
		requireRefs(f, stale, ps)

		n, err := f.s.Discard(f.ctx, f.ep("a"), ps)
		require.NoError(f, err)
		require.Equal(f, 1, n)
		requireRefs(f, fresh, f.pending("a"))
		require.NoError(f, f.s.Claim(f.ctx, f.claim("a", fresh...), []store.Taken{f.take("a", fresh...)}))
		require.Empty(f, f.pending("a"))
		requireEvents(f, []event.Event{old.Event, again.Event}, []event.Ref{stale[0], fresh[0]})
	},

	"Forget/ClaimLeavesTheStalePointer": func(f *fixture) {
		old := f.request("a", f.now)
		stale := f.add(old)
		fresh := f.add(f.reuse(old, f.now))
		require.NoError(f, f.s.Claim(f.ctx, f.claim("a", fresh...), []store.Taken{f.take("a", fresh...)}))
		requireRefs(f, stale, f.pending("a"))
	},

	"Forget/FromManyAtOnce": func(f *fixture) {
		old := f.request("a", f.now)
		f.add(old)
		reqs := make([]store.Append, 8)
		for i := range reqs {
			reqs[i] = f.reuse(old, f.now)
		}
		results := together(len(reqs), func(i int) store.AppendResult {
			return f.s.Append(f.ctx, []store.Append{reqs[i]})[0]
		})
		winner := -1
		for i, r := range results {
			require.NoError(f, r.Err)
			requireTime(f, f.now.Add(time.Hour), r.ReceivedAt)
			if !r.Duplicate {
				require.Equal(f, -1, winner, "stored twice")
				winner = i
			}
		}
		require.NotEqual(f, -1, winner)
		requireEvents(f, []event.Event{old.Event, reqs[winner].Event},
			[]event.Ref{old.Event.Ref(), reqs[winner].Event.Ref()})
		ps, err := f.s.Pending(f.ctx, f.ep("a"), f.now, 0)
		require.NoError(f, err)
		require.Len(f, ps, 1)
	},

	"Forget/InABatch": func(f *fixture) {
		old := f.request("a", f.now)
		f.add(old)
		again := f.reuse(old, f.now)
		f.add(f.request("a", f.at(1)), again, f.request("a", f.at(2)))
		require.Len(f, f.pending("a"), 4)
		requireEvents(f, []event.Event{old.Event, again.Event}, []event.Ref{old.Event.Ref(), again.Event.Ref()})
	},
}
