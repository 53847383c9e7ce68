package storetest

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var receivedTests = map[string]func(*fixture){
	"EventsBetween/PagesInOrderOfReceipt": func(f *fixture) {
		var reqs []store.Append
		for i := range 60 {
			reqs = append(reqs, f.request([]string{"a", "b"}[i%2], f.at(i/4*10))) // four of each instant
		}
		f.add(reqs...)
		again := reqs[7]
		again.Attempt = event.RandomID()
		require.True(f, f.s.Append(f.ctx, []store.Append{again})[0].Duplicate) // which adds nothing
		slices.SortFunc(reqs, func(a, b store.Append) int { return a.Event.Ref().Compare(b.Event.Ref()) })
		want := make([]store.Stored, len(reqs))
		for i, r := range reqs {
			want[i] = store.Stored{Ref: r.Event.Ref(), Key: r.Event.Key}
		}
		for _, limit := range []int{1, 7, 60, 500} {
			require.Equal(f, want, f.received(store.Span{}, limit), "limit %d", limit)
		}
		require.Equal(f, want[8:20], f.received(store.Span{From: f.at(20), To: f.at(50)}, 5))
		require.Equal(f, want[8:], f.received(store.Span{From: f.at(11)}, 5))
		require.Equal(f, want[:8], f.received(store.Span{To: f.at(20)}, 5))
		require.Empty(f, f.received(store.Span{From: f.at(20), To: f.at(20)}, 5))
	},

	// A cursor is a position: its event may be gone, or be outside the span.
	"EventsBetween/CursorOfAnyPosition": func(f *fixture) {
		refs := f.put("a", 3)
		for cursor, want := range map[store.Cursor]int{
			{Date: refs[1].ReceivedAt, ID: refs[1].ID}:                             1,
			{Date: refs[1].ReceivedAt, ID: "00000000000000000000000000000000"}:     2,
			{Date: refs[1].ReceivedAt, ID: "ffffffffffffffffffffffffffffffff"}:     1,
			{Date: refs[0].ReceivedAt.Add(-time.Hour), ID: refs[0].ID}:             3,
			{Date: refs[2].ReceivedAt.Add(time.Hour), ID: refs[0].ID}:              0,
			{Date: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), ID: refs[0].ID}:  0,
			{Date: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), ID: event.RandomID()}: 3,
			{Date: refs[0].ReceivedAt, ID: "ffffffffffffffffffffffffffffffff"}:     2,
		} {
			page, err := f.s.EventsBetween(f.ctx, f.service, store.Span{}, &cursor, 10)
			require.NoError(f, err)
			require.Len(f, page, want, "%v", cursor)
		}
		_, err := f.s.EventsBetween(f.ctx, f.service, store.Span{}, &store.Cursor{Date: f.now, ID: "no id"}, 10)
		require.Error(f, err)
	},

	// Events stay listed when a claim takes them, when they lose their pointer, and when
	// their name is used again.
	"EventsBetween/WaitingOrNot": func(f *fixture) {
		refs := f.put("a", 2)
		require.NoError(f, f.s.Claim(f.ctx, f.claim("a", refs[0]), []store.Taken{f.take("a", refs[0])}))
		_, err := f.s.Discard(f.ctx, f.ep("a"), refs[1:])
		require.NoError(f, err)
		again := f.request("a", f.now.Add(48*time.Hour))
		again.Event.ID, again.ForgetBefore = refs[1].ID, f.now.Add(24*time.Hour)
		f.add(again)
		page := f.received(store.Span{}, 10)
		require.Len(f, page, 3)
		require.Equal(f, []string{refs[0].ID, event.ArchivedID(refs[1].ID, refs[1].ReceivedAt), refs[1].ID}, []string{page[0].ID, page[1].ID, page[2].ID})
		for _, e := range page {
			events, err := f.s.Events(f.ctx, f.service, []store.Member{e.Ref})
			require.NoError(f, err)
			require.Equal(f, e.Size, events[0].Size())
		}
	},

	"EventsBetween/OfTheServiceOnly": func(f *fixture) {
		f.put("a", 1)
		page, err := f.s.EventsBetween(f.ctx, f.service+"-other", store.Span{}, nil, 10)
		require.NoError(f, err)
		require.Empty(f, page)
	},
}

// received pages through the service's events in the span.
func (f *fixture) received(in store.Span, limit int) (all []store.Stored) {
	f.Helper()
	var after *store.Cursor
	for {
		page, err := f.s.EventsBetween(f.ctx, f.service, in, after, limit)
		require.NoError(f, err)
		require.LessOrEqual(f, len(page), limit)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		last := page[len(page)-1]
		after = &store.Cursor{Date: last.ReceivedAt, ID: last.ID}
	}
}
