package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var discardTests = map[string]func(*fixture){
	"Discard/OnlyWhatIsPending": func(f *fixture) {
		ps := f.put("a", 6)
		require.NoError(f, f.s.Claim(f.ctx, f.claim("a", ps[0]), []store.Taken{f.take("a", ps[0])}))
		strangers := []store.Pointer{{ID: event.RandomID(), ReceivedAt: f.now}}
		n, err := f.s.Discard(f.ctx, f.ep("a"), append(strangers, ps[:4]...))
		require.NoError(f, err)
		require.Equal(f, 3, n)
		requireRefs(f, ps[4:], f.pending("a"))
		n, err = f.s.Discard(f.ctx, f.ep("a"), ps)
		require.NoError(f, err)
		require.Equal(f, 2, n)
		n, err = f.s.Discard(f.ctx, f.ep("a"), nil)
		require.NoError(f, err)
		require.Zero(f, n)
		// The events stay, but discarded pointers cannot be claimed any more.
		_, err = f.s.Events(f.ctx, f.service, ps)
		require.NoError(f, err)
		require.ErrorIs(f, f.s.Claim(f.ctx, f.claim("a", ps[5]), []store.Taken{f.take("a", ps[5])}), store.ErrConflict)
	},

	"Discard/OfAnotherEndpoint": func(f *fixture) {
		ps := f.put("a", 2)
		n, err := f.s.Discard(f.ctx, f.ep("b"), ps)
		require.NoError(f, err)
		require.Zero(f, n)
		requireRefs(f, ps, f.pending("a"))
	},

	"Discard/Many": func(f *fixture) {
		ps := f.put("a", 1100)
		n, err := f.s.Discard(f.ctx, f.ep("a"), ps[:1050])
		require.NoError(f, err)
		require.Equal(f, 1050, n)
		requireRefs(f, ps[1050:], f.pending("a"))
	},

	// Each pointer is counted by exactly one of Claim and Discard.
	"Discard/WhileClaiming": func(f *fixture) {
		const pairs = 12
		ps := f.put("a", 2*pairs)
		type answer struct {
			n   int
			err error
		}
		answers := together(pairs+2, func(i int) answer {
			if i >= pairs {
				n, err := f.s.Discard(f.ctx, f.ep("a"), ps)
				return answer{n, err}
			}
			pair := ps[2*i : 2*i+2]
			err := f.s.Claim(f.ctx, f.claim("a", pair...), []store.Taken{f.take("a", pair...)})
			if err == nil {
				return answer{len(pair), nil}
			}
			if isConflict(err) {
				err = nil
			}
			return answer{0, err}
		})
		sum := 0
		for _, a := range answers {
			require.NoError(f, a.err)
			sum += a.n
		}
		require.Equal(f, len(ps), sum)
		require.Empty(f, f.pending("a"))
	},

	"Stale": func(f *fixture) {
		ps := f.put("a", 10)
		for limit, want := range map[int]int{1: 1, 5: 5, 6: 6, 100: 6} {
			got, err := f.s.Stale(f.ctx, f.ep("a"), ps[5].ReceivedAt, limit) // at or before
			require.NoError(f, err)
			require.Len(f, got, want)
			for _, p := range got {
				require.Contains(f, plain(ps[:6]), plain([]event.Ref{p})[0])
			}
		}
		got, err := f.s.Stale(f.ctx, f.ep("a"), f.at(-1), 10)
		require.NoError(f, err)
		require.Empty(f, got)
	},
}
