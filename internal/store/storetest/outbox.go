package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// claimed stores a claim that is due at the instant.
func (f *fixture) claimed(due time.Time) store.Claim {
	f.Helper()
	c := f.claim("a")
	c.NextAttempt = due
	require.NoError(f, f.s.Claim(f.ctx, c, nil))
	return c
}

// due returns the ids of the claims that are due at now.
func (f *fixture) due(now time.Time, limit int) []string {
	f.Helper()
	claims, err := f.s.Due(f.ctx, f.service, now, time.Time{}, limit)
	require.NoError(f, err)
	ids := []string{}
	for _, c := range claims {
		require.Equal(f, store.Claimed, c.State)
		ids = append(ids, c.ID)
	}
	return ids
}

// published returns the outcome of a successful attempt.
func (f *fixture) published(at time.Time) store.Outcome {
	return store.Outcome{PublishedAt: at, Size: 4321, ExpireAt: at.Add(30 * 24 * time.Hour)}
}

var outboxTests = map[string]func(*fixture){
	"Due/LongestFirst": func(f *fixture) {
		third, first, second, later := f.claimed(f.at(3)), f.claimed(f.at(1)), f.claimed(f.at(2)), f.claimed(f.at(5))
		require.Equal(f, []string{first.ID, second.ID, third.ID}, f.due(f.at(4), 10))
		require.Equal(f, []string{first.ID, second.ID}, f.due(f.at(4), 2))
		require.Empty(f, f.due(f.now, 10))
		require.Equal(f, []string{first.ID}, f.due(f.at(1), 10)) // not after now
		require.Len(f, f.due(f.at(5), 10), 4)
		require.NoError(f, f.s.Settle(f.ctx, f.service, first.ID, f.published(f.at(6))))
		require.Equal(f, []string{second.ID, third.ID, later.ID}, f.due(f.now.Add(time.Hour), 10))
	},

	// A NextAttempt further ahead than any lease was set by a clock that was ahead.
	"Due/Beyond": func(f *fixture) {
		due, waits, void := f.claimed(f.at(1)), f.claimed(f.at(20)), f.claimed(f.now.Add(10*24*time.Hour))
		claims, err := f.s.Due(f.ctx, f.service, f.at(4), f.at(20), 10)
		require.NoError(f, err)
		require.Len(f, claims, 2)
		require.Equal(f, plainInfo(due.ClaimInfo), plainInfo(claims[0]))
		require.Equal(f, plainInfo(void.ClaimInfo), plainInfo(claims[1]))
		claims, err = f.s.Due(f.ctx, f.service, f.at(30), f.at(4), 10)
		require.NoError(f, err)
		require.Len(f, claims, 3, "none is returned twice")
		require.Equal(f, waits.ID, claims[1].ID)
		require.NoError(f, f.s.Settle(f.ctx, f.service, void.ID, f.published(f.at(6))))
		claims, err = f.s.Due(f.ctx, f.service, f.at(4), f.at(20), 10)
		require.NoError(f, err)
		require.Len(f, claims, 1)
	},

	"Lease/ClearsTheError": func(f *fixture) {
		c := f.claimed(f.now)
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(50), Error: "bus: no"}))
		require.Equal(f, "bus: no", f.outbox(c).LastError)
		require.NoError(f, f.s.Lease(f.ctx, f.service, c.ID, 0, f.at(100)))
		require.Empty(f, f.outbox(c).LastError)
	},

	"Due/OtherServices": func(f *fixture) {
		f.claimed(f.now)
		claims, err := f.s.Due(f.ctx, f.service+"-other", f.now.Add(time.Hour), f.now, 10)
		require.NoError(f, err)
		require.Empty(f, claims)
	},

	"Lease/CountsTheAttempt": func(f *fixture) {
		c := f.claimed(f.now)
		require.NoError(f, f.s.Lease(f.ctx, f.service, c.ID, 0, f.at(100)))
		got := f.outbox(c)
		c.Attempts, c.NextAttempt = 1, f.at(100)
		requireClaim(f, c, got)
		require.Empty(f, f.due(f.at(99), 10))
		require.Equal(f, []string{c.ID}, f.due(f.at(100), 10))

		require.ErrorIs(f, f.s.Lease(f.ctx, f.service, c.ID, 0, f.at(200)), store.ErrConflict)
		require.ErrorIs(f, f.s.Lease(f.ctx, f.service, c.ID, 2, f.at(200)), store.ErrConflict)
		requireClaim(f, c, f.outbox(c))
		require.NoError(f, f.s.Lease(f.ctx, f.service, c.ID, 1, f.at(200)))
		require.Equal(f, 2, f.outbox(c).Attempts)
	},

	"Lease/OneWins": func(f *fixture) {
		c := f.claimed(f.now)
		for attempts := range 3 {
			errs := together(8, func(i int) error {
				return f.s.Lease(f.ctx, f.service, c.ID, attempts, f.at(100+i))
			})
			won := requireWinners(f, errs)
			require.Len(f, won, 1)
			got := f.outbox(c)
			require.Equal(f, attempts+1, got.Attempts)
			requireTime(f, f.at(100+won[0]), got.NextAttempt)
		}
	},

	"Lease/NotOfAPublishedOrMissingClaim": func(f *fixture) {
		c := f.claimed(f.now)
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, f.published(f.at(1))))
		before := f.outbox(c)
		require.ErrorIs(f, f.s.Lease(f.ctx, f.service, c.ID, 0, f.at(100)), store.ErrConflict)
		requireClaim(f, before, f.outbox(c))
		require.Error(f, f.s.Lease(f.ctx, f.service, event.RandomID(), 0, f.at(100)))
	},

	"Settle/Failure": func(f *fixture) {
		c := f.claimed(f.now)
		require.NoError(f, f.s.Lease(f.ctx, f.service, c.ID, 0, f.at(10)))
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(50), Error: "bus: no"}))
		c.Attempts, c.NextAttempt, c.LastError = 1, f.at(50), "bus: no"
		requireClaim(f, c, f.outbox(c))
		require.Empty(f, f.due(f.at(49), 10))
		require.Equal(f, []string{c.ID}, f.due(f.at(50), 10))
	},

	"Settle/Published": func(f *fixture) {
		ps := f.put("a", 3)
		c := f.claim("a", ps...)
		require.NoError(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", ps...)}))
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, f.published(f.at(5))))
		got := f.outbox(c)
		got.LastError = c.LastError // a store may keep it
		c.State, c.PublishedAt, c.Size, c.NextAttempt = store.Published, f.at(5), 4321, time.Time{}
		requireClaim(f, c, got)
		require.True(f, got.NextAttempt.IsZero())
		require.Empty(f, f.due(f.now.Add(time.Hour), 10))
	},

	"Settle/PublishedStaysSo": func(f *fixture) {
		c := f.claimed(f.now)
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, f.published(f.at(5))))
		before := f.outbox(c)
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(50), Error: "late"}))
		requireClaim(f, before, f.outbox(c))
		require.Empty(f, f.due(f.now.Add(time.Hour), 10))
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, f.published(f.at(9))))
		require.Equal(f, store.Published, f.outbox(c).State)
	},

	"Settle/Race": func(f *fixture) {
		for range 3 {
			c := f.claimed(f.now)
			for _, err := range together(8, func(i int) error {
				if i%2 == 0 {
					return f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(i), Error: "no"})
				}
				return f.s.Settle(f.ctx, f.service, c.ID, f.published(f.at(i)))
			}) {
				require.NoError(f, err)
			}
			got := f.outbox(c)
			require.Equal(f, store.Published, got.State)
			require.False(f, got.PublishedAt.IsZero())
			require.True(f, got.NextAttempt.IsZero())
		}
	},

	"Settle/NotFound": func(f *fixture) {
		c := f.claimed(f.now)
		require.ErrorIs(f, f.s.Settle(f.ctx, f.service, event.RandomID(), f.published(f.now)), store.ErrNotFound)
		require.ErrorIs(f, f.s.Settle(f.ctx, f.service, event.RandomID(), store.Outcome{Error: "x"}), store.ErrNotFound)
		require.ErrorIs(f, f.s.Settle(f.ctx, f.service+"-other", c.ID, f.published(f.now)), store.ErrNotFound)
		requireClaim(f, c, f.outbox(c))
	},

	"ClaimByEventID": func(f *fixture) {
		one, two := f.claimed(f.now), f.claimed(f.now)
		requireClaim(f, one, f.outbox(one))
		requireClaim(f, two, f.outbox(two))
		for _, missing := range []string{event.RandomID(), one.ID, "x", "../x", "", "\xff"} {
			_, err := f.s.ClaimByEventID(f.ctx, f.service, missing)
			require.ErrorIs(f, err, store.ErrNotFound, "%q", missing)
		}
		_, err := f.s.ClaimByEventID(f.ctx, f.service+"-other", one.EventID)
		require.ErrorIs(f, err, store.ErrNotFound)
	},
}
