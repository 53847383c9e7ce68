package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var claimTests = map[string]func(*fixture){
	"Claim/TakesPointersAndLeavesEvents": func(f *fixture) {
		a, b := f.put("a", 3), f.put("b", 2)
		c := f.claim("a", a[:2]...)
		c.Lists = append(c.Lists, event.List{Key: "b", Included: b})
		require.NoError(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", a[:2]...), f.take("b", b...)}))
		requireRefs(f, a[2:], f.pending("a"))
		require.Empty(f, f.pending("b"))
		requireClaim(f, c, f.outbox(c))
		events, err := f.s.Events(f.ctx, f.service, []store.Member{a[0], b[1]})
		require.NoError(f, err)
		require.Len(f, events, 2)
	},

	"Claim/RoundTrip": func(f *fixture) {
		ref := func(us int, size int64) event.Ref {
			return event.Ref{ID: event.RandomID(), ReceivedAt: f.at(us), Size: size}
		}
		c := store.Claim{
			ClaimInfo: store.ClaimInfo{
				ID: event.RandomID(), Service: f.service, EventID: event.RandomID(), TriggerType: "manual \U0001F409",
				Date: f.at(123457), Owner: "owner/é", NumberOfEvents: 5, State: store.Claimed, Size: 1<<40 + 1,
				Attempts: 3, NextAttempt: f.at(654321), LastError: "last time: \"no\"\n",
			},
			Lists: []event.List{
				{Key: "z", Need: 2, Send: "last", Count: 7, First: f.at(1), Last: f.at(9), Included: []store.Member{ref(1, 0), ref(1, 1), ref(2, 1<<33)}},
				{Key: "empty", Need: 0, Send: "", Count: 0},
				{Key: "a", Need: 1, Send: "all", Count: 2, First: f.at(-5), Last: f.at(-3), Included: []store.Member{ref(-5, 7), ref(-3, 8)}},
				{Key: "z", Need: 9, Send: "first", Count: 1, First: f.now, Last: f.now},
			},
		}
		require.NoError(f, f.s.Claim(f.ctx, c, nil))
		requireClaim(f, c, f.outbox(c))
		due, err := f.s.Due(f.ctx, f.service, f.now.Add(time.Hour), time.Time{}, 10)
		require.NoError(f, err)
		require.Len(f, due, 1)
		require.Equal(f, plainInfo(c.ClaimInfo), plainInfo(due[0]))
		infos, err := f.s.Claims(f.ctx, f.service, store.Page{Limit: 10})
		require.NoError(f, err)
		require.Len(f, infos, 1)
		require.Equal(f, plainInfo(c.ClaimInfo), plainInfo(infos[0]))
	},

	"Claim/NothingTaken": func(f *fixture) {
		ps := f.put("a", 2)
		c := f.claim("a", ps...) // keepEventAfterTrigger: included, not taken
		require.NoError(f, f.s.Claim(f.ctx, c, nil))
		requireRefs(f, ps, f.pending("a"))
		requireClaim(f, c, f.outbox(c))
		d := f.claim("a", ps...)
		require.NoError(f, f.s.Claim(f.ctx, d, []store.Taken{f.take("a")}))
		requireClaim(f, d, f.outbox(d))
	},

	"Claim/WithoutLists": func(f *fixture) {
		c := f.claim("a")
		c.Lists = nil
		require.NoError(f, f.s.Claim(f.ctx, c, nil))
		requireClaim(f, c, f.outbox(c))
	},

	"Claim/OneMissingPointerDeletesNothing": func(f *fixture) {
		a, b := f.put("a", 3), f.put("b", 3)
		gone := b[1]
		require.NoError(f, f.s.Claim(f.ctx, f.claim("b", gone), []store.Taken{f.take("b", gone)}))

		c := f.claim("a", a...)
		require.ErrorIs(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", a...), f.take("b", b...)}), store.ErrConflict)
		requireRefs(f, a, f.pending("a"))
		requireRefs(f, []event.Ref{b[0], b[2]}, f.pending("b"))
		_, err := f.s.ClaimByEventID(f.ctx, f.service, c.EventID)
		require.ErrorIs(f, err, store.ErrNotFound)

		// A pointer of another endpoint, or of an endpoint that does not exist, is missing too.
		require.ErrorIs(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("b", a[0])}), store.ErrConflict)
		require.ErrorIs(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("never", a[0])}), store.ErrConflict)
		requireRefs(f, a, f.pending("a"))
	},

	"Claim/ExistingIDConflicts": func(f *fixture) {
		ps := f.put("a", 4)
		first := f.claim("a", ps[:2]...)
		require.NoError(f, f.s.Claim(f.ctx, first, []store.Taken{f.take("a", ps[:2]...)}))

		second := f.claim("a", ps[2:]...)
		second.ID = first.ID
		require.ErrorIs(f, f.s.Claim(f.ctx, second, []store.Taken{f.take("a", ps[2:]...)}), store.ErrConflict)
		require.ErrorIs(f, f.s.Claim(f.ctx, second, nil), store.ErrConflict)
		requireRefs(f, ps[2:], f.pending("a"))
		requireClaim(f, first, f.outbox(first))
		_, err := f.s.ClaimByEventID(f.ctx, f.service, second.EventID)
		require.ErrorIs(f, err, store.ErrNotFound)

		// Another service may have a claim with the same id.
		other := f.claim("a")
		other.ID, other.Service = first.ID, f.service+"-other"
		require.NoError(f, f.s.Claim(f.ctx, other, nil))
	},

	// A caller may repeat a call whose answer was lost: its Owner identifies its own claim.
	"Claim/RepeatedByItsOwner": func(f *fixture) {
		ps := f.put("a", 2)
		c := f.claim("a", ps...)
		for range 2 {
			require.NoError(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", ps...)}))
		}
		requireClaim(f, c, f.outbox(c))
		infos, err := f.s.Claims(f.ctx, f.service, store.Page{Limit: 10})
		require.NoError(f, err)
		require.Len(f, infos, 1)

		c.Owner = event.RandomID()
		require.ErrorIs(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", ps...)}), store.ErrConflict)
	},

	"Claim/AmbiguousCommit": func(f *fixture) {
		if f.probe.InjectLostAnswer == nil {
			f.Skip("the probe cannot lose an answer")
		}
		ps := f.put("a", 3)
		c := f.claim("a", ps[:2]...)
		f.probe.InjectLostAnswer(f.T, f.s, f.service)
		require.NoError(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", ps[:2]...)}))
		requireRefs(f, ps[2:], f.pending("a"))
		requireClaim(f, c, f.outbox(c))
	},

	"Claim/ManyMembers": func(f *fixture) {
		require.Positive(f, f.s.MaxClaim())
		const members = 2000
		ps := f.put("a", members)
		taken := ps[:min(members, f.s.MaxClaim())]
		c := f.claim("a", ps...)
		require.NoError(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", taken...)}))
		requireClaim(f, c, f.outbox(c))
		requireRefs(f, ps[len(taken):], f.pending("a"))
	},

	"Claim/AsManyAsItMay": func(f *fixture) {
		n := min(f.s.MaxClaim(), 1200)
		a, b := f.put("a", n-n/2), f.put("b", n/2)
		c := f.claim("a", a...)
		require.NoError(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", a...), f.take("b", b...)}))
		require.Empty(f, f.pending("a"))
		require.Empty(f, f.pending("b"))
	},
}
