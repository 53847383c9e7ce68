package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// gathering returns a claim in parts that has no part yet. It does not store it.
func (f *fixture) gathering() store.Claim {
	return store.Claim{
		ClaimInfo: store.ClaimInfo{
			ID: event.RandomID(), Service: f.service, TriggerType: "window", State: store.Gathering,
			Attempts: 1, NextAttempt: f.at(10), Gather: []byte("record"),
		},
		Lists: []event.List{{Key: "a", Need: 1, Send: "ALL"}, {Key: "b", Need: 1, Send: "ALL"}},
	}
}

// next returns the claim as the commit of its next part stores it.
func next(c store.Claim) store.Claim {
	c.Parts++
	c.Owner = event.RandomID()
	return c
}

// whole returns the claim as its last commit stores it.
func whole(f *fixture, c store.Claim) store.Claim {
	c = next(c)
	c.State, c.EventID, c.Date = store.Claimed, event.RandomID(), f.now
	return c
}

func (f *fixture) byID(c store.Claim) store.Claim {
	f.Helper()
	got, err := f.s.ClaimByID(f.ctx, c.Service, c.ID)
	require.NoError(f, err)
	return got
}

func (f *fixture) membersOf(c store.Claim, part int) [][]event.Ref {
	f.Helper()
	got, err := f.s.Members(f.ctx, c.Service, c.ID, part)
	require.NoError(f, err)
	for i := range got {
		got[i] = plain(got[i])
	}
	return got
}

var partTests = map[string]func(*fixture){
	// No list has the claim before its last part, but it is due, like one that is to be
	// published.
	"Gather/PartByPart": func(f *fixture) {
		a, b := f.put("a", 3), f.put("b", 2)
		mark := event.Ref{ID: event.RandomID(), ReceivedAt: f.at(7), Size: -1}
		first := next(f.gathering())
		require.NoError(f, f.s.Gather(f.ctx, first, store.Part{
			Members: [][]store.Member{a[:2], nil}, Taken: []store.Taken{f.take("a", a[:2]...)}, Marks: []store.Taken{f.take("b", mark)},
		}))
		requireRefs(f, a[2:], f.pending("a"))
		requireRefs(f, append(b[:2:2], mark), f.pending("b"))
		requireClaim(f, first, f.byID(first))
		infos, err := f.s.Claims(f.ctx, f.service, store.Page{Limit: 10})
		require.NoError(f, err)
		require.Empty(f, infos)
		for _, id := range []string{"", first.ID} {
			_, err = f.s.ClaimByEventID(f.ctx, f.service, id)
			require.ErrorIs(f, err, store.ErrNotFound)
		}
		due, err := f.s.Due(f.ctx, f.service, f.at(9), time.Time{}, 10)
		require.NoError(f, err)
		require.Empty(f, due)
		for _, list := range []func() ([]store.ClaimInfo, error){
			func() ([]store.ClaimInfo, error) { return f.s.Due(f.ctx, f.service, f.at(10), time.Time{}, 10) },
			func() ([]store.ClaimInfo, error) { return f.s.Due(f.ctx, f.service, f.at(1), f.at(9), 10) },
			func() ([]store.ClaimInfo, error) { return f.s.Gatherings(f.ctx, f.service, 10) },
		} {
			found, err := list()
			require.NoError(f, err)
			require.Len(f, found, 1)
			found[0].Gather = first.Gather
			require.Equal(f, plainInfo(first.ClaimInfo), plainInfo(found[0]))
		}

		second := next(first)
		second.Gather = []byte("more")
		second.NumberOfEvents = 3
		require.NoError(f, f.s.Gather(f.ctx, second, store.Part{
			Members: [][]store.Member{a[2:], b}, Taken: []store.Taken{f.take("a", a[2:]...), f.take("b", b...)},
		}))
		requireClaim(f, second, f.byID(second))
		last := whole(f, second)
		require.NoError(f, f.s.Gather(f.ctx, last, store.Part{Members: make([][]store.Member, 2), Taken: []store.Taken{f.take("b", mark)}}))
		require.Empty(f, f.pending("a"))
		require.Empty(f, f.pending("b"))
		requireClaim(f, last, f.outbox(last))
		requireClaim(f, last, f.byID(last))
		require.Equal(f, [][]event.Ref{plain(a[:2]), {}}, f.membersOf(last, 0))
		require.Equal(f, [][]event.Ref{plain(a[2:]), plain(b)}, f.membersOf(last, 1))
		require.Equal(f, [][]event.Ref{{}, {}}, f.membersOf(last, 2))
		_, err = f.s.Members(f.ctx, f.service, last.ID, 3)
		require.ErrorIs(f, err, store.ErrNotFound)
		none, err := f.s.Gatherings(f.ctx, f.service, 10)
		require.NoError(f, err)
		require.Empty(f, none)
		infos, err = f.s.Claims(f.ctx, f.service, store.Page{Limit: 10})
		require.NoError(f, err)
		require.Len(f, infos, 1)
		require.Equal(f, 3, infos[0].Parts)
	},

	"Gather/AMarkInASetOfKeys": func(f *fixture) {
		ref := event.Ref{ID: event.RandomID(), ReceivedAt: f.at(3), Size: -1}
		mark := store.Waiting{Ref: ref, Key: "k", At: f.at(2), First: f.at(2)}
		c := next(f.gathering())
		require.NoError(f, f.s.Gather(f.ctx, c, store.Part{Marks: []store.Taken{{Endpoint: f.ep("a"), Waiting: []store.Waiting{mark}}}}))
		ws, err := f.s.WaitingOf(f.ctx, f.ep("a"), "k", store.Span{}, true, 0)
		require.NoError(f, err)
		require.Len(f, ws, 1)
		require.Equal(f, ref.Size, ws[0].Size)
		require.Equal(f, ref.ID, ws[0].ID)
		requireTime(f, mark.At, ws[0].At)
		require.NoError(f, f.s.Gather(f.ctx, whole(f, c), store.Part{Taken: []store.Taken{{Endpoint: f.ep("a"), Waiting: ws}}}))
		ws, err = f.s.WaitingOf(f.ctx, f.ep("a"), "k", store.Span{}, true, 0)
		require.NoError(f, err)
		require.Empty(f, ws)
	},

	"Gather/RefusedWhole": func(f *fixture) {
		ps := f.put("a", 4)
		c := next(f.gathering())
		part := store.Part{Members: [][]store.Member{ps[:1], nil}, Taken: []store.Taken{f.take("a", ps[0])}}
		require.NoError(f, f.s.Gather(f.ctx, c, part))
		require.NoError(f, f.s.Gather(f.ctx, c, part), "repeated by its owner")

		again := c // another instance began the same claim
		again.Owner = event.RandomID()
		require.ErrorIs(f, f.s.Gather(f.ctx, again, store.Part{Taken: []store.Taken{f.take("a", ps[1])}}), store.ErrConflict)

		gone := next(c)
		require.ErrorIs(f, f.s.Gather(f.ctx, gone, store.Part{Taken: []store.Taken{f.take("a", ps[1], ps[0])}}), store.ErrConflict)
		requireRefs(f, ps[1:], f.pending("a"))
		requireClaim(f, c, f.byID(c))
		_, err := f.s.Members(f.ctx, f.service, c.ID, 1)
		require.ErrorIs(f, err, store.ErrNotFound)

		// A claim whose id is taken cannot be begun.
		ordinary := f.claim("a", ps[1])
		require.NoError(f, f.s.Claim(f.ctx, ordinary, []store.Taken{f.take("a", ps[1])}))
		taken := next(f.gathering())
		taken.ID = ordinary.ID
		require.ErrorIs(f, f.s.Gather(f.ctx, taken, store.Part{Taken: []store.Taken{f.take("a", ps[2])}}), store.ErrConflict)
		requireRefs(f, ps[2:], f.pending("a"))
		requireClaim(f, ordinary, f.outbox(ordinary))
	},

	// Instances that work on one claim at once never take two pages for one part.
	"Gather/OneOfManyAddsAPart": func(f *fixture) {
		const n = 6
		ps := f.put("a", n+1)
		c := next(f.gathering())
		require.NoError(f, f.s.Gather(f.ctx, c, store.Part{Members: [][]store.Member{ps[n:], nil}, Taken: []store.Taken{f.take("a", ps[n])}}))
		errs := together(n, func(i int) error {
			return f.s.Gather(f.ctx, next(c), store.Part{Members: [][]store.Member{{ps[i]}, nil}, Taken: []store.Taken{f.take("a", ps[i])}})
		})
		won := 0
		for i, err := range errs {
			if err != nil {
				require.ErrorIs(f, err, store.ErrConflict)
				continue
			}
			won++
			require.Equal(f, plain(ps[i:i+1]), f.membersOf(c, 1)[0])
		}
		require.Equal(f, 1, won)
		require.Len(f, f.pending("a"), n-1)
	},

	"Gather/Leased": func(f *fixture) {
		c := next(f.gathering())
		require.NoError(f, f.s.Gather(f.ctx, c, store.Part{}))
		require.NoError(f, f.s.Lease(f.ctx, f.service, c.ID, 1, f.at(100)))
		require.ErrorIs(f, f.s.Lease(f.ctx, f.service, c.ID, 1, f.at(200)), store.ErrConflict)
		got := f.byID(c)
		require.Equal(f, 2, got.Attempts)
		requireTime(f, f.at(100), got.NextAttempt)
		require.Equal(f, store.Gathering, got.State)
	},

	"Gather/PublishedAndPurged": func(f *fixture) {
		c := next(f.gathering())
		require.NoError(f, f.s.Gather(f.ctx, c, store.Part{Members: [][]store.Member{f.put("a", 1), nil}}))
		last := whole(f, c)
		require.NoError(f, f.s.Gather(f.ctx, last, store.Part{}))
		past := f.now.Add(-time.Hour)
		require.NoError(f, f.s.Settle(f.ctx, f.service, last.ID, store.Outcome{PublishedAt: past, ExpireAt: past, Parts: last.Parts}))
		require.Equal(f, store.Published, f.outbox(last).State)
		if f.probe.ExpiresItself {
			return
		}
		_, err := f.s.Purge(f.ctx, f.now, 100)
		require.NoError(f, err)
		_, err = f.s.Members(f.ctx, f.service, last.ID, 0)
		require.ErrorIs(f, err, store.ErrNotFound)
	},

	"Gather/DroppedAndPurged": func(f *fixture) {
		c := next(f.gathering())
		require.NoError(f, f.s.Gather(f.ctx, c, store.Part{Members: [][]store.Member{f.put("a", 1), nil}}))
		last := whole(f, c)
		last.State, last.Attempts, last.NextAttempt, last.ExpireAt = store.Dropped, 0, time.Time{}, f.now.Add(-time.Hour)
		require.NoError(f, f.s.Gather(f.ctx, last, store.Part{}))
		require.Equal(f, store.Dropped, f.outbox(last).State)
		due, err := f.s.Due(f.ctx, f.service, f.at(1000), time.Time{}, 10)
		require.NoError(f, err)
		require.Empty(f, due)
		if f.probe.ExpiresItself {
			return
		}
		_, err = f.s.Purge(f.ctx, f.now, 100)
		require.NoError(f, err)
		_, err = f.s.ClaimByID(f.ctx, f.service, last.ID)
		require.ErrorIs(f, err, store.ErrNotFound)
		_, err = f.s.Members(f.ctx, f.service, last.ID, 0)
		require.ErrorIs(f, err, store.ErrNotFound)
	},

	// It has no message yet that could be published.
	"Gather/IsNotInTheBacklog": func(f *fixture) {
		c := next(f.gathering())
		require.NoError(f, f.s.Gather(f.ctx, c, store.Part{}))
		n, oldest, err := f.s.Backlog(f.ctx, f.service)
		require.NoError(f, err)
		require.Zero(f, n)
		require.Zero(f, oldest)
		ordinary := f.claim("a")
		require.NoError(f, f.s.Claim(f.ctx, ordinary, nil))
		n, oldest, err = f.s.Backlog(f.ctx, f.service)
		require.NoError(f, err)
		require.Equal(f, 1, n)
		requireTime(f, ordinary.Date, oldest)
	},

	"Gather/AmbiguousCommit": func(f *fixture) {
		if f.probe.InjectLostAnswer == nil {
			f.Skip("the probe cannot lose an answer")
		}
		ps := f.put("a", 2)
		c := next(f.gathering())
		f.probe.InjectLostAnswer(f.T, f.s, f.service)
		require.NoError(f, f.s.Gather(f.ctx, c, store.Part{Members: [][]store.Member{ps[:1], nil}, Taken: []store.Taken{f.take("a", ps[0])}}))
		requireRefs(f, ps[1:], f.pending("a"))
		requireClaim(f, c, f.byID(c))
	},

	"Gather/Unknown": func(f *fixture) {
		for _, id := range []string{event.RandomID(), "x"} {
			_, err := f.s.ClaimByID(f.ctx, f.service, id)
			require.ErrorIs(f, err, store.ErrNotFound)
			_, err = f.s.Members(f.ctx, f.service, id, 0)
			require.ErrorIs(f, err, store.ErrNotFound)
		}
		none, err := f.s.Gatherings(f.ctx, f.service, 1)
		require.NoError(f, err)
		require.Empty(f, none)
	},
}
