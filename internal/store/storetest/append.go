package storetest

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var appendTests = map[string]func(*fixture){
	"Append/StoresEventAndPointer": func(f *fixture) {
		req := f.request("a", f.now)
		refs := f.add(req)
		requireRefs(f, refs, f.pending("a"))
		requireEvents(f, []event.Event{req.Event}, refs)
	},

	"Append/Nothing": func(f *fixture) {
		require.Empty(f, f.s.Append(f.ctx, nil))
	},

	"Append/RepeatIsADuplicate": func(f *fixture) {
		first := f.request("a", f.now)
		refs := f.add(first)

		again := first
		again.Attempt = event.RandomID()
		again.Event.ReceivedAt = f.at(7)
		again.Event.Content = []byte("something else")
		for range 2 {
			r := f.s.Append(f.ctx, []store.Append{again})[0]
			require.NoError(f, r.Err)
			require.True(f, r.Duplicate)
			requireTime(f, f.now, r.ReceivedAt)
		}
		requireRefs(f, refs, f.pending("a"))
		requireEvents(f, []event.Event{first.Event}, refs)
	},

	// The first answer was lost, and its caller repeats the request.
	"Append/OwnRepeatIsNoDuplicate": func(f *fixture) {
		req := f.request("a", f.now)
		refs := f.add(req)
		r := f.s.Append(f.ctx, []store.Append{req})[0]
		require.NoError(f, r.Err)
		require.False(f, r.Duplicate)
		requireTime(f, f.now, r.ReceivedAt)
		requireRefs(f, refs, f.pending("a"))
	},

	"Append/RepeatDoesNotReviveAClaimedPointer": func(f *fixture) {
		req := f.request("a", f.now)
		refs := f.add(req)
		require.NoError(f, f.s.Claim(f.ctx, f.claim("a", refs...), []store.Taken{f.take("a", refs...)}))

		other := req
		other.Attempt = event.RandomID()
		for _, again := range []store.Append{req, other} {
			r := f.s.Append(f.ctx, []store.Append{again})[0]
			require.NoError(f, r.Err)
			require.Equal(f, again.Attempt != req.Attempt, r.Duplicate)
		}
		require.Empty(f, f.pending("a"))
	},

	// A driver may store several events by one statement, however many of them it has already.
	"Append/EachOfManyIsAnsweredAsIfAlone": func(f *fixture) {
		const n = 20
		for _, stored := range [][]int{{0}, {7}, {8}, {n - 1}, {3, 4, 11}, {2, 9, 16}} {
			batch := make([]store.Append, n)
			var want []store.Pointer
			for i := range batch {
				batch[i] = f.request("a", f.at(i))
				want = append(want, batch[i].Event.Ref())
				if slices.Contains(stored, i) {
					f.add(batch[i])
					batch[i].Attempt, batch[i].Event.ReceivedAt = event.RandomID(), f.at(100+i)
				}
			}
			twice := batch[5]
			twice.Attempt = event.RandomID()
			batch = append(batch, twice)
			for i, r := range f.s.Append(f.ctx, batch) {
				require.NoError(f, r.Err)
				require.Equal(f, i == n || slices.Contains(stored, i), r.Duplicate, "event %d, stored before: %v", i, stored)
				requireTime(f, f.at(i%n+i/n*5), r.ReceivedAt)
			}
			requireRefs(f, want, f.pending("a"))
			require.NoError(f, f.s.Claim(f.ctx, f.claim("a", want...), []store.Taken{f.take("a", want...)}))
		}
	},

	"Append/DuplicateDoesNotFailItsNeighbours": func(f *fixture) {
		first := f.request("a", f.now)
		f.add(first)
		dup := first
		dup.Attempt = event.RandomID()
		dup.Event.ReceivedAt = f.at(3)
		batch := []store.Append{f.request("a", f.at(1)), f.request("b", f.at(2)), dup, f.request("a", f.at(4))}

		results := f.s.Append(f.ctx, batch)
		require.Len(f, results, len(batch))
		for i, r := range results {
			require.NoError(f, r.Err)
			require.Equal(f, i == 2, r.Duplicate, "event %d", i)
		}
		requireTime(f, f.now, results[2].ReceivedAt)
		requireRefs(f, []event.Ref{first.Event.Ref(), batch[0].Event.Ref(), batch[3].Event.Ref()}, f.pending("a"))
		requireRefs(f, []event.Ref{batch[1].Event.Ref()}, f.pending("b"))
	},

	"Append/SameIDTwiceInOneCall": func(f *fixture) {
		one := f.request("a", f.now)
		two := one
		two.Attempt = event.RandomID()
		two.Event.ReceivedAt = f.at(5)
		results := f.s.Append(f.ctx, []store.Append{one, f.request("a", f.at(1)), two})
		duplicates := 0
		for _, r := range results {
			require.NoError(f, r.Err)
			if r.Duplicate {
				duplicates++
			}
		}
		require.Equal(f, 1, duplicates)
		require.False(f, results[1].Duplicate)
		requireTime(f, results[0].ReceivedAt, results[2].ReceivedAt)
		require.Len(f, f.pending("a"), 2)
	},

	"Append/SameIDFromManyAtOnce": func(f *fixture) {
		req := f.request("a", f.now)
		results := together(16, func(i int) store.AppendResult {
			mine := req
			mine.Attempt = event.RandomID()
			mine.Event.ReceivedAt = f.at(i)
			return f.s.Append(f.ctx, []store.Append{mine})[0]
		})
		stored := slices.DeleteFunc(slices.Clone(results), func(r store.AppendResult) bool { return r.Duplicate })
		require.Len(f, stored, 1)
		for _, r := range results {
			require.NoError(f, r.Err)
			requireTime(f, stored[0].ReceivedAt, r.ReceivedAt)
		}
		ps := f.pending("a")
		require.Len(f, ps, 1)
		requireTime(f, stored[0].ReceivedAt, ps[0].ReceivedAt)
	},

	"Append/ManyBatchesAtOnce": func(f *fixture) {
		batches := together(8, func(i int) []store.AppendResult {
			reqs := make([]store.Append, 40)
			for j := range reqs {
				reqs[j] = f.request("a", f.at(i*len(reqs)+j))
			}
			return f.s.Append(f.ctx, reqs)
		})
		for _, results := range batches {
			require.Len(f, results, 40)
			for _, r := range results {
				require.NoError(f, r.Err)
				require.False(f, r.Duplicate)
			}
		}
		require.Len(f, f.pending("a"), 320)
	},

	// A batch larger than one commit of any store.
	"Append/LargeBatch": func(f *fixture) {
		reqs := make([]store.Append, 700)
		want := make([]event.Ref, len(reqs))
		for i := range reqs {
			reqs[i] = f.request("a", f.at(i))
			want[i] = reqs[i].Event.Ref()
		}
		f.add(reqs...)
		requireRefs(f, want, f.pending("a"))
	},

	"Append/ServicesApart": func(f *fixture) {
		here := f.request("a", f.now)
		there := here
		there.Attempt = event.RandomID()
		there.Event.Content = []byte("the other service's")
		there.Event.ReceivedAt = f.at(9)
		there.Endpoint.Service = f.service + "-other"
		f.add(here, there)

		requireEvents(f, []event.Event{here.Event}, []event.Ref{here.Event.Ref()})
		got, err := f.s.Events(f.ctx, there.Endpoint.Service, []store.Member{there.Event.Ref()})
		require.NoError(f, err)
		requireSameEvent(f, there.Event, got[0])
		_, err = f.s.Events(f.ctx, f.service+"-third", []store.Member{here.Event.Ref()})
		require.ErrorIs(f, err, store.ErrNotFound)

		requireRefs(f, []event.Ref{here.Event.Ref()}, f.pending("a"))
		ps, err := f.s.Pending(f.ctx, there.Endpoint, time.Time{}, 0)
		require.NoError(f, err)
		requireRefs(f, []event.Ref{there.Event.Ref()}, ps)
	},

	"Append/EndpointsApart": func(f *fixture) {
		a, b := f.put("a", 3), f.put("b", 2)
		requireRefs(f, a, f.pending("a"))
		requireRefs(f, b, f.pending("b"))
		require.Empty(f, f.pending("c"))
	},
}
