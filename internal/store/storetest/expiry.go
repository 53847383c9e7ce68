package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// longAgo is the time up to which these tests purge. Purge covers all services, and the
// tests share a store, so they purge only data that expired long before all other data.
var longAgo = time.Date(2001, 2, 3, 4, 5, 6, 789000, time.UTC)

var expiryTests = map[string]func(*fixture){
	"Expiry/EventField": func(f *fixture) {
		if f.probe.EventExpireAt == nil {
			f.Skip("the probe cannot tell when an event expires")
		}
		old := f.request("a", f.now)
		old.ExpireAt = f.now.Add(77 * time.Hour)
		f.add(old)
		requireTime(f, old.ExpireAt, f.probe.EventExpireAt(f.T, f.s, f.service, old.Event.ID))

		again := f.reuse(old, f.now)
		f.add(again)
		requireTime(f, again.ExpireAt, f.probe.EventExpireAt(f.T, f.s, f.service, old.Event.ID))
		requireTime(f, old.ExpireAt, f.probe.EventExpireAt(f.T, f.s, f.service, event.ArchivedID(old.Event.ID, f.now)))
	},

	"Expiry/ClaimField": func(f *fixture) {
		if f.probe.ClaimExpireAt == nil {
			f.Skip("the probe cannot tell when a claim expires")
		}
		expireAt := func(c store.Claim) time.Time { return f.probe.ClaimExpireAt(f.T, f.s, f.service, c.ID) }
		c := f.claimed(f.now)
		require.True(f, expireAt(c).IsZero(), "a claim that is not published may never expire")
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(9), Error: "x", ExpireAt: f.at(99)}))
		require.True(f, expireAt(c).IsZero())
		outcome := f.published(f.at(5))
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, outcome))
		requireTime(f, outcome.ExpireAt, expireAt(c))
	},

	// The events of a waiting claim are kept, archived and large ones too.
	"Expiry/Keep": func(f *fixture) {
		if f.probe.EventExpireAt == nil {
			f.Skip("the probe cannot tell when an event expires")
		}
		expireAt := func(id string) time.Time { return f.probe.EventExpireAt(f.T, f.s, f.service, id) }
		old, other, longer, large := f.request("a", f.now), f.request("a", f.at(1)), f.request("a", f.at(2)), f.request("a", f.at(3))
		large.Event.Content = make([]byte, min(f.probe.MaxEventBytes-1000, 3<<20))
		longer.ExpireAt = f.now.Add(200 * 24 * time.Hour)
		refs := f.add(old, other, longer, large)
		again := f.reuse(old, f.now)
		f.add(again)
		until := f.now.Add(100 * 24 * time.Hour)
		require.NoError(f, f.s.Keep(f.ctx, f.service, refs, until))
		requireTime(f, until, expireAt(event.ArchivedID(old.Event.ID, f.now)))
		requireTime(f, again.ExpireAt, expireAt(again.Event.ID))
		requireTime(f, until, expireAt(other.Event.ID))
		requireTime(f, longer.ExpireAt, expireAt(longer.Event.ID))
		requireTime(f, until, expireAt(large.Event.ID))
		require.NoError(f, f.s.Keep(f.ctx, f.service, refs, until.Add(-time.Hour)), "no earlier")
		requireTime(f, until, expireAt(other.Event.ID))
		many := make([]store.Member, 70)
		for i := range many {
			many[i] = f.add(f.request("b", f.at(i)))[0]
		}
		require.NoError(f, f.s.Keep(f.ctx, f.service, many, until))
		for _, m := range many {
			requireTime(f, until, expireAt(m.ID))
		}
		gone := []store.Member{{ID: event.RandomID(), ReceivedAt: f.now}, refs[0]}
		require.ErrorIs(f, f.s.Keep(f.ctx, f.service, gone, until), store.ErrNotFound)
		require.NoError(f, f.s.Keep(f.ctx, f.service, nil, until))
	},

	// If a call was cut off between two commits, a repeated call still does the rest.
	"Expiry/KeepCutOff": func(f *fixture) {
		if f.probe.EventExpireAt == nil || f.probe.InjectLostAnswer == nil {
			f.Skip("the probe cannot tell when an event expires, or cannot cut a call off")
		}
		members := f.put("a", 1200)
		until := f.now.Add(100 * 24 * time.Hour)
		f.probe.InjectLostAnswer(f.T, f.s, f.service)
		if err := f.s.Keep(f.ctx, f.service, members, until); err != nil { // a driver may repeat it by itself
			require.NoError(f, f.s.Keep(f.ctx, f.service, members, until))
		}
		for _, m := range []store.Member{members[0], members[600], members[1199]} {
			requireTime(f, until, f.probe.EventExpireAt(f.T, f.s, f.service, m.ID))
		}
	},

	// A store with a time of its own has the correct time.
	"Now": func(f *fixture) {
		now, ok, err := f.s.Now(f.ctx)
		require.NoError(f, err)
		require.Equal(f, f.probe.HasTime, ok)
		if ok {
			require.WithinDuration(f, time.Now(), now, time.Minute)
			later, _, err := f.s.Now(f.ctx)
			require.NoError(f, err)
			require.False(f, later.Before(now))
		}
	},

	"Expiry/Purge": func(f *fixture) {
		if f.probe.ExpiresItself {
			n, err := f.s.Purge(f.ctx, longAgo, 10)
			require.NoError(f, err)
			require.Zero(f, n)
			return
		}
		request := func(us int, expireAt time.Time) store.Append {
			req := f.request("a", f.at(us))
			req.ExpireAt = expireAt
			return req
		}
		refs := f.add(
			request(0, longAgo.Add(-time.Hour)), request(1, longAgo), request(2, longAgo.Add(-time.Minute)), request(3, longAgo.Add(-time.Second)),
			request(4, longAgo.Add(time.Hour)), request(5, f.now.Add(time.Hour)),
		)
		expired, live := refs[:4], refs[4:]
		published, kept, unpublished := f.claimed(f.now), f.claimed(f.now), f.claimed(f.now)
		out := f.published(longAgo.Add(-48 * time.Hour))
		out.ExpireAt = longAgo.Add(-time.Hour)
		require.NoError(f, f.s.Settle(f.ctx, f.service, published.ID, out))
		require.NoError(f, f.s.Settle(f.ctx, f.service, kept.ID, f.published(f.now)))
		require.NoError(f, f.s.Settle(f.ctx, f.service, unpublished.ID, store.Outcome{Error: "x", NextAttempt: longAgo, ExpireAt: longAgo.Add(-time.Hour)}))

		total := 0
		for {
			n, err := f.s.Purge(f.ctx, longAgo.Add(time.Minute), 2)
			require.NoError(f, err)
			require.LessOrEqual(f, n, 2)
			if n == 0 {
				break
			}
			total += n
		}
		require.GreaterOrEqual(f, total, len(expired)+1)
		for _, ref := range expired {
			_, err := f.s.Events(f.ctx, f.service, []store.Member{ref})
			require.ErrorIs(f, err, store.ErrNotFound)
		}
		_, err := f.s.Events(f.ctx, f.service, live)
		require.NoError(f, err)
		_, err = f.s.ClaimByEventID(f.ctx, f.service, published.EventID)
		require.ErrorIs(f, err, store.ErrNotFound)
		require.Equal(f, store.Published, f.outbox(kept).State)
		require.Equal(f, store.Claimed, f.outbox(unpublished).State)
		require.Len(f, f.walk("", 10), 2)
	},
}
