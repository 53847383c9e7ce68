package storetest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var contextTests = map[string]func(*fixture){
	"Writable": func(f *fixture) {
		require.NoError(f, f.s.Writable(f.ctx))
	},

	// A store that can only be read is not ready, even if nothing is being written.
	"Writable/Refused": func(f *fixture) {
		if f.probe.Refusing == nil {
			f.Skip("the probe has no store that refuses writes")
		}
		var refuse func(bool)
		f.s, refuse = f.probe.Refusing(f.T)
		refuse(true)
		require.Error(f, f.s.Writable(f.ctx), "no write has succeeded yet")
		refuse(false)
		require.Eventually(f, func() bool { return f.s.Writable(f.ctx) == nil }, time.Minute, 100*time.Millisecond)
		f.put("a", 1)
		require.NoError(f, f.s.Writable(f.ctx))

		refuse(true)
		require.Error(f, f.s.Append(f.ctx, []store.Append{f.request("a", f.now)})[0].Err)
		_, err := f.s.Pending(f.ctx, f.ep("a"), time.Time{}, 0)
		require.NoError(f, err)
		require.Error(f, f.s.Writable(f.ctx), "the last write failed")
		_, err = f.s.Purge(f.ctx, time.Time{}, 1)
		require.Error(f, f.s.Writable(f.ctx), "a purge of nothing shows nothing: %v", err)
		refuse(false)
		f.put("a", 1)
		require.NoError(f, f.s.Writable(f.ctx), "the last write succeeded")
	},

	"Context/Cancelled": func(f *fixture) {
		ps := f.put("a", 2)
		c := f.claimed(f.now)
		ctx, cancel := context.WithCancel(f.ctx)
		cancel()
		ep := f.ep("a")
		for _, r := range f.s.Append(ctx, []store.Append{f.request("a", f.now), f.request("a", f.now)}) {
			require.Error(f, r.Err)
		}
		for name, call := range map[string]func() error{
			"Pending":        func() error { _, err := f.s.Pending(ctx, ep, time.Time{}, 0); return err },
			"Count":          func() error { _, err := f.s.Count(ctx, ep, time.Time{}, 0); return err },
			"Summarize":      func() error { _, err := f.s.Summarize(ctx, ep, time.Time{}); return err },
			"Claim":          func() error { return f.s.Claim(ctx, f.claim("a", ps...), []store.Taken{f.take("a", ps...)}) },
			"Discard":        func() error { _, err := f.s.Discard(ctx, ep, ps); return err },
			"Stale":          func() error { _, err := f.s.Stale(ctx, ep, f.now, 1); return err },
			"Events":         func() error { _, err := f.s.Events(ctx, f.service, ps); return err },
			"EventsBetween":  func() error { _, err := f.s.EventsBetween(ctx, f.service, store.Span{}, nil, 1); return err },
			"Due":            func() error { _, err := f.s.Due(ctx, f.service, f.now, time.Time{}, 1); return err },
			"Lease":          func() error { return f.s.Lease(ctx, f.service, c.ID, 0, f.now) },
			"Settle":         func() error { return f.s.Settle(ctx, f.service, c.ID, f.published(f.now)) },
			"ClaimByEventID": func() error { _, err := f.s.ClaimByEventID(ctx, f.service, c.EventID); return err },
			"Claims":         func() error { _, err := f.s.Claims(ctx, f.service, store.Page{Limit: 1}); return err },
			"Backlog":        func() error { _, _, err := f.s.Backlog(ctx, f.service); return err },
			"Writable":       func() error { return f.s.Writable(ctx) },
			"Keep":           func() error { return f.s.Keep(ctx, f.service, ps, f.now.Add(time.Hour)) },
			"Now":            func() error { _, _, err := f.s.Now(ctx); return err },
		} {
			err := call()
			require.Error(f, err, name)
			require.NotErrorIs(f, err, store.ErrConflict, name)
			require.NotErrorIs(f, err, store.ErrNotFound, name)
		}
		// No call changed anything, and the store still works.
		requireRefs(f, ps, f.pending("a"))
		requireClaim(f, c, f.outbox(c))
		require.NoError(f, f.s.Writable(f.ctx))
	},

	// Some of many callers leave while commits are under way. An event whose append returned
	// nil is stored, and the other callers are not affected.
	"Context/CancelledAmongOthers": func(f *fixture) {
		reqs := make([]store.Append, 32)
		for i := range reqs {
			reqs[i] = f.request("a", f.at(i))
		}
		errs := together(len(reqs), func(i int) error {
			ctx := f.ctx
			if i%2 == 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(i*50)*time.Microsecond)
				defer cancel()
			}
			return f.s.Append(ctx, reqs[i:i+1])[0].Err
		})
		pending := map[string]event.Ref{}
		for _, p := range f.pending("a") {
			pending[p.ID] = p
		}
		for i, err := range errs {
			if i%2 == 1 {
				require.NoError(f, err)
			}
			if err == nil {
				require.Contains(f, pending, reqs[i].Event.ID)
			}
		}
	},
}
