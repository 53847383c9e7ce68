package storetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var listTests = map[string]func(*fixture){
	"Claims/PagesNewestFirst": func(f *fixture) {
		var all []store.ClaimInfo
		for i := range 17 {
			c := f.claim("a")
			c.Date = f.at(i / 5) // five of each date
			require.NoError(f, f.s.Claim(f.ctx, c, nil))
			if i%3 == 0 {
				require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, f.published(f.at(100+i))))
				c.State = store.Published
			}
			all = append(all, c.ClaimInfo)
		}
		slices.SortFunc(all, func(a, b store.ClaimInfo) int {
			return cmp.Or(b.Date.Compare(a.Date), cmp.Compare(b.ID, a.ID))
		})
		for _, state := range []store.State{"", store.Claimed, store.Published} {
			want := []string{}
			for _, c := range all {
				if state == "" || c.State == state {
					want = append(want, c.ID)
				}
			}
			for _, limit := range []int{1, 3, 17, 100} {
				require.Equal(f, want, f.walk(state, limit), "state %q, limit %d", state, limit)
			}
			if state == "" {
				continue
			}
			slices.Reverse(want)
			for _, limit := range []int{1, 3, 17, 100} {
				require.Equal(f, want, f.walkOldest(state, limit), "oldest first, state %q, limit %d", state, limit)
			}
		}
	},

	"Claims/ByCompletion": func(f *fixture) {
		var all []store.Claim
		for i := range 24 {
			c := f.claim("a")
			c.Date = f.at(i)
			if i%4 > 0 {
				c.Window = &store.Window{Key: []string{"x", "y"}[i%2], Completion: []store.Completion{store.Complete, store.Partial, store.Expired}[i%3]}
			}
			if c.Window != nil && c.Window.Completion == store.Expired {
				c.State, c.ExpireAt = store.Dropped, f.at(1000)
			}
			require.NoError(f, f.s.Claim(f.ctx, c, nil))
			all = append(all, c)
		}
		slices.Reverse(all)
		for _, completion := range []store.Completion{"", store.Complete, store.Partial, store.Expired, store.Manual} {
			for _, state := range []store.State{"", store.Claimed, store.Dropped} {
				for _, key := range []string{"", "x", "y"} {
					f.requireFiltered(all, store.Page{Completion: completion, State: state, Limit: 2}, key, time.Time{})
					f.requireFiltered(all, store.Page{Completion: completion, State: state, Limit: 3}, key, f.at(13))
				}
			}
		}
	},

	// The claim of the cursor may have been deleted meanwhile.
	"Claims/CursorOfAnyPosition": func(f *fixture) {
		c := f.claimed(f.now)
		for cursor, want := range map[store.Cursor]int{
			{Date: c.Date, ID: c.ID}:                                0,
			{Date: c.Date, ID: "f" + c.ID}:                          min(1, max(0, cmp.Compare("f"+c.ID, c.ID))),
			{Date: c.Date.Add(time.Microsecond), ID: ""}:            1,
			{Date: c.Date.Add(-time.Microsecond), ID: "g"}:          0,
			{Date: c.Date, ID: "g"}:                                 1,
			{Date: c.Date.Add(time.Hour), ID: "not an id: ../x/y"}:  1,
			{Date: c.Date.Add(-time.Hour), ID: "not an id: ../x/y"}: 0,
			{Date: c.Date, ID: c.ID[:len(c.ID)-1]}:                  0,
			{Date: c.Date, ID: c.ID + "0"}:                          1,
		} {
			infos, err := f.s.Claims(f.ctx, f.service, store.Page{After: &cursor, Limit: 10})
			require.NoError(f, err)
			require.Len(f, infos, want, "%v", cursor)
		}
	},

	"Claims/None": func(f *fixture) {
		require.Empty(f, f.walk("", 5))
		f.claimed(f.now)
		require.Empty(f, f.walk(store.Published, 5))
		infos, err := f.s.Claims(f.ctx, f.service+"-other", store.Page{Limit: 5})
		require.NoError(f, err)
		require.Empty(f, infos)
	},

	"Backlog": func(f *fixture) {
		backlog := func() (int, time.Time) {
			n, oldest, err := f.s.Backlog(f.ctx, f.service)
			require.NoError(f, err)
			return n, oldest
		}
		n, oldest := backlog()
		require.Zero(f, n)
		require.True(f, oldest.IsZero())

		claims := make([]store.Claim, 4)
		for i, us := range []int{7, 3, 9, 5} {
			claims[i] = f.claim("a")
			claims[i].Date = f.at(us)
			require.NoError(f, f.s.Claim(f.ctx, claims[i], nil))
		}
		n, oldest = backlog()
		require.Equal(f, 4, n)
		requireTime(f, f.at(3), oldest)

		require.NoError(f, f.s.Settle(f.ctx, f.service, claims[1].ID, f.published(f.at(10))))
		require.NoError(f, f.s.Settle(f.ctx, f.service, claims[0].ID, store.Outcome{NextAttempt: f.at(20), Error: "x"}))
		n, oldest = backlog()
		require.Equal(f, 3, n)
		requireTime(f, f.at(5), oldest)
	},
}

// requireFiltered requires that the pages have the claims that fit, of all, which are newest
// first: those of a key ("": any) and before an instant (zero: all).
func (f *fixture) requireFiltered(all []store.Claim, page store.Page, key string, until time.Time) {
	f.Helper()
	if key != "" {
		page.Key = &key
	}
	if !until.IsZero() {
		page.After = &store.Cursor{Date: until, ID: strings.Repeat("0", event.IDLen)}
	}
	want := []string{}
	for _, c := range all {
		w := c.Window
		if w == nil {
			w = new(store.Window)
		}
		if (page.Completion == "" || w.Completion == page.Completion) && (page.State == "" || c.State == page.State) &&
			(key == "" || w.Key == key) && (until.IsZero() || c.Date.Before(until)) {
			want = append(want, c.ID)
		}
	}
	require.Equal(f, want, f.walkFrom(page), "%q %q %q until %v", page.Completion, page.State, key, until)
}

// walk pages through all claims of the state, newest first, and returns their ids.
func (f *fixture) walk(state store.State, limit int) []string {
	f.Helper()
	return f.walkFrom(store.Page{State: state, Limit: limit})
}

// walkOldest does the same, oldest first.
func (f *fixture) walkOldest(state store.State, limit int) []string {
	f.Helper()
	return f.walkFrom(store.Page{State: state, Limit: limit, OldestFirst: true})
}

func (f *fixture) walkFrom(page store.Page) []string {
	f.Helper()
	ids := []string{}
	state, limit := page.State, page.Limit
	for {
		infos, err := f.s.Claims(f.ctx, f.service, page)
		require.NoError(f, err)
		require.LessOrEqual(f, len(infos), limit)
		if len(infos) == 0 {
			return ids
		}
		for _, c := range infos {
			if state != "" {
				require.Equal(f, state, c.State)
			}
			require.Equal(f, f.service, c.Service)
			ids = append(ids, c.ID)
		}
		last := infos[len(infos)-1]
		page.After = &store.Cursor{Date: last.Date, ID: last.ID}
	}
}
