package storetest

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var pendingTests = map[string]func(*fixture){
	"Pending/OldestFirstWhateverTheOrderOfArrival": func(f *fixture) {
		reqs := make([]store.Append, 40)
		for i := range reqs {
			reqs[i] = f.request("a", f.at(i/4)) // four at each instant
		}
		rand.Shuffle(len(reqs), func(i, j int) { reqs[i], reqs[j] = reqs[j], reqs[i] })
		want := slices.Clone(f.add(reqs[:20]...))
		want = append(want, f.add(reqs[20:]...)...)
		slices.SortFunc(want, event.Ref.Compare)
		requireRefs(f, want, f.pending("a"))
		for _, limit := range []int{1, 2, 3, 5, 39, 40, 41, 1000} {
			ps, err := f.s.Pending(f.ctx, f.ep("a"), time.Time{}, limit)
			require.NoError(f, err)
			requireRefs(f, want[:min(limit, len(want))], ps)
		}
	},

	"Pending/Edges": func(f *fixture) {
		ps := f.add(f.request("a", f.at(-1)), f.request("a", f.now), f.request("a", f.at(1)),
			f.request("a", f.now.Add(1000*time.Hour))) // the future counts
		for after, want := range map[time.Time][]event.Ref{
			f.at(-2): ps, f.at(-1): ps[1:], f.now: ps[2:], f.at(1): ps[3:],
			f.now.Add(1000 * time.Hour): {}, f.now.Add(-1000 * time.Hour): ps,
		} {
			got, err := f.s.Pending(f.ctx, f.ep("a"), after, 0)
			require.NoError(f, err)
			requireRefs(f, want, got)
		}
	},

	"Pending/EndpointWithoutEvents": func(f *fixture) {
		require.Empty(f, f.pending("never"))
		n, err := f.s.Count(f.ctx, f.ep("never"), time.Time{}, 0)
		require.NoError(f, err)
		require.Zero(f, n)
		sum, err := f.s.Summarize(f.ctx, f.ep("never"), time.Time{})
		require.NoError(f, err)
		require.Zero(f, sum.Count)
		require.True(f, sum.First.IsZero())
		require.True(f, sum.Last.IsZero())
		ps, err := f.s.Stale(f.ctx, f.ep("never"), f.now, 10)
		require.NoError(f, err)
		require.Empty(f, ps)
		n, err = f.s.Discard(f.ctx, f.ep("never"), []store.Pointer{{ID: event.RandomID(), ReceivedAt: f.now}})
		require.NoError(f, err)
		require.Zero(f, n)
	},

	// Pending, Count, Summarize and Stale are four views of one set.
	"Pending/ViewsAgree": func(f *fixture) {
		reqs := make([]store.Append, 48)
		for i := range reqs {
			reqs[i] = f.request("a", f.at(rand.IntN(30)))
		}
		all := f.add(reqs...)
		slices.SortFunc(all, event.Ref.Compare)
		gone := all[10:14]
		n, err := f.s.Discard(f.ctx, f.ep("a"), gone)
		require.NoError(f, err)
		require.Equal(f, len(gone), n)
		all = slices.Delete(all, 10, 14)

		rapid.Check(f.T, func(t *rapid.T) {
			after := f.at(rapid.IntRange(-2, 32).Draw(t, "after"))
			limit := rapid.IntRange(0, 50).Draw(t, "limit")
			cut := slices.IndexFunc(all, func(r event.Ref) bool { return r.ReceivedAt.After(after) })
			if cut < 0 {
				cut = len(all)
			}
			want := all[cut:]
			var sum store.Summary
			if len(want) > 0 {
				sum = store.Summary{Count: len(want), First: want[0].ReceivedAt, Last: want[len(want)-1].ReceivedAt}
			}
			gotSum, err := f.s.Summarize(f.ctx, f.ep("a"), after)
			require.NoError(t, err)
			require.Equal(t, sum, store.Summary{Count: gotSum.Count, First: gotSum.First.UTC(), Last: gotSum.Last.UTC()})

			if limit > 0 {
				want = want[:min(limit, len(want))]
			}
			got, err := f.s.Pending(f.ctx, f.ep("a"), after, limit)
			require.NoError(t, err)
			requireRefs(t, want, got)
			n, err := f.s.Count(f.ctx, f.ep("a"), after, limit)
			require.NoError(t, err)
			require.Equal(t, len(want), n)

			// A pointer is either pending after the instant or stale up to it.
			stale, err := f.s.Stale(f.ctx, f.ep("a"), after, limit+1)
			require.NoError(t, err)
			require.Len(t, stale, min(limit+1, cut))
			seen := map[string]bool{}
			for _, p := range stale {
				require.False(t, p.ReceivedAt.After(after))
				require.False(t, seen[p.ID])
				seen[p.ID] = true
				require.Contains(t, plain(all[:cut]), plain([]event.Ref{p})[0])
			}
		})
	},

	// A read that begins after a write returned sees that write.
	"Pending/ReadYourWrites": func(f *fixture) {
		missed := together(8, func(i int) int {
			missed := 0
			for j := range 10 {
				req := f.request("a", f.at(100*i+j))
				if r := f.s.Append(f.ctx, []store.Append{req})[0]; r.Err != nil {
					return -1
				}
				ps, err := f.s.Pending(f.ctx, f.ep("a"), time.Time{}, 0)
				if err != nil {
					return -1
				}
				if !slices.ContainsFunc(ps, func(p store.Pointer) bool { return p.ID == req.Event.ID }) {
					missed++
				}
			}
			return missed
		})
		require.Equal(f, make([]int, 8), missed)
	},
}
