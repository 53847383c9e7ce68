package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// at returns a request that waits under the key.
func (f *fixture) placed(endpoint, key string, us int) store.Append {
	a := f.request(endpoint, f.at(us))
	a.Place = &store.Place{Key: key, At: a.Event.ReceivedAt}
	return a
}

// inSlot returns a request that waits in a slot of the key.
func (f *fixture) inSlot(endpoint, key, slot string, us int) store.Append {
	a := f.placed(endpoint, key, us)
	a.Place.Slot = slot
	return a
}

// waits returns the pointer that the request leaves, as every driver must read it. A
// driver's own Rev is not compared.
func waits(a store.Append) store.Waiting {
	return store.Waiting{Ref: a.Event.Ref(), Key: a.Place.Key, At: a.Place.At, First: a.Place.At, Slot: a.Place.Slot}
}

func (f *fixture) waitingOf(endpoint, key string) []store.Waiting {
	f.Helper()
	ws, err := f.s.WaitingOf(f.ctx, f.ep(endpoint), key, store.Span{}, true, 0)
	require.NoError(f, err)
	return ws
}

func (f *fixture) waitingUpTo(endpoint string, at time.Time, after *store.Cursor, limit int) []store.Waiting {
	f.Helper()
	ws, err := f.s.WaitingUpTo(f.ctx, f.ep(endpoint), at, after, limit)
	require.NoError(f, err)
	return ws
}

func (f *fixture) takeWaiting(endpoint string, ws ...store.Waiting) store.Taken {
	return store.Taken{Endpoint: f.ep(endpoint), Waiting: ws}
}

func requireWaiting(t require.TestingT, want, got []store.Waiting) {
	bare := func(ws []store.Waiting) []store.Waiting {
		out := make([]store.Waiting, len(ws))
		for i, w := range ws {
			w.ReceivedAt, w.At, w.First, w.Rev = w.ReceivedAt.UTC(), w.At.UTC(), w.First.UTC(), ""
			out[i] = w
		}
		return out
	}
	require.Equal(t, bare(want), bare(got))
}

func cursorOf(w store.Waiting) *store.Cursor { return &store.Cursor{Date: w.At, ID: w.ID} }

var waitingTests = map[string]func(*fixture){
	"Waiting/KeysAreIsolated": func(f *fixture) {
		keys := []string{"", "a", "a/b", "A", "ä", "a\x00", "__x__", ".", "~", strings.Repeat("k", store.MaxKeyBytes)}
		var want []store.Append
		for i, key := range keys {
			want = append(want, f.placed("e", key, i), f.placed("e", key, 100+i), f.placed("other", key, i))
		}
		f.add(want...)
		for i, key := range keys {
			requireWaiting(f, []store.Waiting{waits(want[3*i]), waits(want[3*i+1])}, f.waitingOf("e", key))
			requireWaiting(f, []store.Waiting{waits(want[3*i+2])}, f.waitingOf("other", key))
		}
		require.Empty(f, f.waitingOf("e", "k"))
		require.Empty(f, f.pending("e"), "the plain set is another one")
		f.put("e", 1)
		require.Len(f, f.waitingOf("e", ""), 2)
	},

	"Waiting/InTheOrderOfTheWindowsTime": func(f *fixture) {
		reqs := make([]store.Append, 30)
		for i := range reqs {
			reqs[i] = f.placed("e", "k", i)
			reqs[i].Place.At = f.at(rand.IntN(10)).Add(-24 * time.Hour) // the event's own time
		}
		f.add(reqs...)
		want := make([]store.Waiting, len(reqs))
		for i := range reqs {
			want[i] = waits(reqs[i])
		}
		slices.SortFunc(want, store.Waiting.Compare)
		requireWaiting(f, want, f.waitingOf("e", "k"))
		for _, limit := range []int{1, 7, 29, 30, 31} {
			ws, err := f.s.WaitingOf(f.ctx, f.ep("e"), "k", store.Span{}, false, limit)
			require.NoError(f, err)
			requireWaiting(f, want[:min(limit, len(want))], ws)
		}
		for from := -1; from < 11; from += 3 {
			in := store.Span{From: f.at(from).Add(-24 * time.Hour), To: f.at(from + 4).Add(-24 * time.Hour)}
			inside := slices.DeleteFunc(slices.Clone(want), func(w store.Waiting) bool { return !in.Has(w.At) })
			for _, slots := range []bool{false, true} {
				ws, err := f.s.WaitingOf(f.ctx, f.ep("e"), "k", in, slots, 0)
				require.NoError(f, err)
				requireWaiting(f, inside, ws)
			}
		}
	},

	"Waiting/UpToWalksAllKeysInTheOrderOfTime": func(f *fixture) {
		reqs := make([]store.Append, 40)
		want := make([]store.Waiting, len(reqs))
		for i := range reqs {
			reqs[i] = f.placed("e", fmt.Sprint("key ", rand.IntN(5)), i/4)
			if i%5 == 0 {
				reqs[i].Place.Slot = event.RandomID()
			}
			want[i] = waits(reqs[i])
		}
		f.add(reqs...)
		slices.SortFunc(want, store.Waiting.Compare)
		requireWaiting(f, want, f.waitingUpTo("e", time.Time{}, nil, 100))
		requireWaiting(f, want[:8], f.waitingUpTo("e", f.at(1), nil, 100))
		require.Empty(f, f.waitingUpTo("e", f.at(-1), nil, 100))
		var walked []store.Waiting
		var after *store.Cursor
		for {
			page := f.waitingUpTo("e", f.at(8), after, 7)
			walked = append(walked, page...)
			if len(page) < 7 {
				break
			}
			after = cursorOf(page[6])
		}
		requireWaiting(f, want[:36], walked)
	},

	"Waiting/NothingThere": func(f *fixture) {
		require.Empty(f, f.waitingOf("never", "k"))
		require.Empty(f, f.waitingUpTo("never", f.now, nil, 10))
		n, err := f.s.CountWaiting(f.ctx, f.ep("never"), 0)
		require.NoError(f, err)
		require.Zero(f, n)
		n, err = f.s.DiscardWaiting(f.ctx, f.ep("never"), []store.Waiting{waits(f.placed("never", "k", 0)), waits(f.inSlot("never", "k", "5107", 0))})
		require.NoError(f, err)
		require.Zero(f, n)
	},

	"Waiting/Counts": func(f *fixture) {
		f.add(f.placed("e", "a", 0), f.placed("e", "b", 1), f.inSlot("e", "b", "5107", 2), f.placed("other", "a", 3))
		for limit, want := range map[int]int{0: 3, 2: 2, 3: 3, 4: 3} {
			n, err := f.s.CountWaiting(f.ctx, f.ep("e"), limit)
			require.NoError(f, err)
			require.Equal(f, want, n)
		}
	},

	"Waiting/ADuplicateWaitsOnce": func(f *fixture) {
		a := f.placed("e", "k", 0)
		f.add(a)
		again := a
		again.Attempt, again.Event.ReceivedAt = event.RandomID(), f.at(5)
		again.Place = &store.Place{Key: "another", At: f.at(5)}
		r := f.s.Append(f.ctx, []store.Append{again})[0]
		require.NoError(f, r.Err)
		require.True(f, r.Duplicate)
		requireWaiting(f, []store.Waiting{waits(a)}, f.waitingOf("e", "k"))
		require.Empty(f, f.waitingOf("e", "another"))
	},

	"Waiting/AClaimTakesWhatItsCallerRead": func(f *fixture) {
		a, b := f.placed("e", "k", 0), f.inSlot("o", "k", "0a", 1)
		f.add(a, b)
		read := [][]store.Waiting{f.waitingOf("e", "k"), f.waitingOf("o", "k")}
		later := f.inSlot("o", "k", "0a", 2)
		f.add(later)
		take := func() []store.Taken {
			return []store.Taken{f.takeWaiting("e", read[0]...), f.takeWaiting("o", read[1]...)}
		}
		c := f.claim("e", a.Event.Ref())
		require.ErrorIs(f, f.s.Claim(f.ctx, c, take()), store.ErrConflict, "another event has the slot")
		requireWaiting(f, []store.Waiting{waits(a)}, f.waitingOf("e", "k"))
		n, err := f.s.DiscardWaiting(f.ctx, f.ep("o"), read[1])
		require.NoError(f, err)
		require.Zero(f, n, "another event has the slot")

		read[1] = f.waitingOf("o", "k")
		require.NoError(f, f.s.Claim(f.ctx, c, take()))
		require.Empty(f, f.waitingOf("e", "k"))
		require.Empty(f, f.waitingOf("o", "k"))
		require.ErrorIs(f, f.s.Claim(f.ctx, f.claim("e"), take()), store.ErrConflict)
		f.add(f.inSlot("o", "k", "0a", 3))
		w := f.waitingOf("o", "k")
		require.Len(f, w, 1)
		requireTime(f, w[0].At, w[0].First)
	},

	"Waiting/Discards": func(f *fixture) {
		f.add(f.placed("e", "k", 0), f.inSlot("e", "k", "0a", 1), f.placed("e", "k", 2), f.placed("e", "l", 3))
		ws := f.waitingOf("e", "k")
		n, err := f.s.DiscardWaiting(f.ctx, f.ep("e"), ws[:2])
		require.NoError(f, err)
		require.Equal(f, 2, n)
		n, err = f.s.DiscardWaiting(f.ctx, f.ep("e"), ws)
		require.NoError(f, err)
		require.Equal(f, 1, n)
		require.Empty(f, f.waitingOf("e", "k"))
		require.Len(f, f.waitingOf("e", "l"), 1)
	},

	// Of a replacement and a claim of what it replaces, either the claim has the old event and
	// the new one waits, or the claim fails and only the new one waits.
	"Waiting/AReplacementRacesWithAClaim": func(f *fixture) {
		for round := range 12 {
			key := fmt.Sprint(round)
			f.add(f.inSlot("e", key, "0a", 0))
			read := f.waitingOf("e", key)
			later := f.inSlot("e", key, "0a", 1)
			c := f.claim("e", read[0].Ref)
			answers := together(2, func(i int) error {
				if i == 0 {
					return f.s.Append(f.ctx, []store.Append{later})[0].Err
				}
				return f.s.Claim(f.ctx, c, []store.Taken{f.takeWaiting("e", read...)})
			})
			require.NoError(f, answers[0])
			now := f.waitingOf("e", key)
			require.Len(f, now, 1)
			require.Equal(f, later.Event.ID, now[0].ID)
			_, err := f.s.ClaimByEventID(f.ctx, f.service, c.EventID)
			if answers[1] == nil {
				require.NoError(f, err)
			} else {
				require.ErrorIs(f, answers[1], store.ErrConflict)
				require.ErrorIs(f, err, store.ErrNotFound)
			}
		}
	},

	"Waiting/OneWinner": func(f *fixture) {
		for round := range 4 {
			key := fmt.Sprint(round)
			f.add(f.placed("e", key, 0), f.placed("e", key, 1), f.inSlot("o", key, "0a", 2))
			e, o := f.waitingOf("e", key), f.waitingOf("o", key)
			claims := make([]store.Claim, 12)
			for i := range claims {
				claims[i] = f.claim("e", e[0].Ref, e[1].Ref)
			}
			errs := together(len(claims), func(i int) error {
				return f.s.Claim(f.ctx, claims[i], []store.Taken{f.takeWaiting("e", e...), f.takeWaiting("o", o...)})
			})
			require.Len(f, requireWinners(f, errs), 1)
			require.Empty(f, f.waitingOf("e", key))
			require.Empty(f, f.waitingOf("o", key))
		}
	},

	"Waiting/ClaimsOfAKey": func(f *fixture) {
		windows := []*store.Window{
			{Key: "a", Completion: store.Complete}, nil,
			{Key: "a", Completion: store.Partial, Opened: f.at(-9), Closes: f.at(-1), Missing: []store.Shortfall{{Key: "o", Have: 1, Need: 3}}},
			{Key: "", Completion: store.Manual}, {Key: "a", Completion: store.Expired},
		}
		claims := make([]store.Claim, len(windows))
		for i, w := range windows {
			c := f.claim("e")
			c.Date, c.Window = f.at(i), w
			if w != nil && w.Completion == store.Expired {
				c.State, c.ExpireAt, c.NextAttempt = store.Dropped, f.now.Add(24*time.Hour), time.Time{}
			}
			c.Targets = []store.Target{{Name: "bus", Attempts: 2, NextAttempt: f.at(3), LastError: "no"}, {Name: "http", DeliveredAt: f.at(4)}}
			require.NoError(f, f.s.Claim(f.ctx, c, nil))
			claims[i] = c
			got := f.outbox(c)
			got.ExpireAt = c.ExpireAt // a driver need not return it
			requireClaim(f, c, got)
		}
		key, none, nobody := "a", "", "b"
		for _, tt := range []struct {
			page store.Page
			want []int
		}{
			{store.Page{Key: &key}, []int{4, 2, 0}},
			{store.Page{Key: &key, State: store.Claimed}, []int{2, 0}},
			{store.Page{Key: &key, State: store.Dropped}, []int{4}},
			{store.Page{Key: &none}, []int{3}},
			{store.Page{Key: &nobody}, nil},
			{store.Page{State: store.Dropped}, []int{4}},
			{store.Page{}, []int{4, 3, 2, 1, 0}},
			{store.Page{Key: &key, After: &store.Cursor{Date: claims[4].Date, ID: claims[4].ID}}, []int{2, 0}},
		} {
			tt.page.Limit = 10
			infos, err := f.s.Claims(f.ctx, f.service, tt.page)
			require.NoError(f, err)
			got := []string{}
			for _, info := range infos {
				got = append(got, info.ID)
			}
			want := []string{}
			for _, i := range tt.want {
				want = append(want, claims[i].ID)
			}
			require.Equal(f, want, got)
		}
		due, err := f.s.Due(f.ctx, f.service, f.at(1000), time.Time{}, 10)
		require.NoError(f, err)
		require.Len(f, due, 4, "what was dropped is not published")
		n, _, err := f.s.Backlog(f.ctx, f.service)
		require.NoError(f, err)
		require.Equal(f, 4, n)
	},

	"Waiting/TargetsSettleOneByOne": func(f *fixture) {
		c := f.claim("e")
		c.Targets = []store.Target{{Name: "a", NextAttempt: f.now}, {Name: "b", NextAttempt: f.now}}
		require.NoError(f, f.s.Claim(f.ctx, c, nil))
		some := []store.Target{{Name: "a", Attempts: 1, DeliveredAt: f.at(1)}, {Name: "b", Attempts: 1, NextAttempt: f.at(9), LastError: "down"}}
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(9), Error: "b: down", Targets: some}))
		c.Targets, c.NextAttempt, c.LastError = some, f.at(9), "b: down"
		requireClaim(f, c, f.outbox(c))
		all := []store.Target{some[0], {Name: "b", Attempts: 2, DeliveredAt: f.at(10)}}
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{PublishedAt: f.at(10), Size: 7, Targets: all}))
		got := f.outbox(c)
		require.Equal(f, store.Published, got.State)
		require.Equal(f, "b", got.Targets[1].Name)
		requireTime(f, f.at(10), got.Targets[1].DeliveredAt)
	},

	// An attempt that lost its lease reports what it knows, and takes nothing back.
	"Waiting/TargetsThatHaveAMessageKeepIt": func(f *fixture) {
		c := f.claim("e")
		c.Targets = []store.Target{{Name: "a", NextAttempt: f.now}, {Name: "b", NextAttempt: f.now}}
		require.NoError(f, f.s.Claim(f.ctx, c, nil))
		a, b := store.Target{Name: "a", Attempts: 1, DeliveredAt: f.at(1)}, store.Target{Name: "b", Attempts: 1, DeliveredAt: f.at(2)}
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(9), Targets: []store.Target{a, c.Targets[1]}}))
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(9), Error: "late", Targets: []store.Target{
			{Name: "a", Attempts: 1, NextAttempt: f.at(5), LastError: "late"}, b,
		}}))
		c.Targets, c.NextAttempt, c.LastError = []store.Target{a, b}, f.at(9), "late"
		requireClaim(f, c, f.outbox(c))
		require.ErrorIs(f, f.s.Settle(f.ctx, f.service, "00000000000000000000000000000000", store.Outcome{Targets: c.Targets, Failed: true}), store.ErrNotFound)
	},

	// A claim with a target that is given up waits no longer. Only a replay settles it again.
	"Waiting/FailedIsFinalUntilAReplay": func(f *fixture) {
		c := f.claim("e")
		c.Targets = []store.Target{{Name: "a", NextAttempt: f.now}, {Name: "b", NextAttempt: f.now}}
		require.NoError(f, f.s.Claim(f.ctx, c, nil))
		states := []store.Target{{Name: "a", Attempts: 1, DeliveredAt: f.at(1)}, {Name: "b", Attempts: 3, LastError: "gone"}}
		givenUp := store.Outcome{Failed: true, Error: "b: gone", Size: 7, ExpireAt: f.now.Add(24 * time.Hour), Targets: states}
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, givenUp))
		c.State, c.Targets, c.LastError, c.Size, c.NextAttempt = store.Failed, states, "b: gone", 7, time.Time{}
		requireClaim(f, c, f.outbox(c))
		require.True(f, states[1].GivenUp())

		due, err := f.s.Due(f.ctx, f.service, f.at(1000), time.Time{}, 10)
		require.NoError(f, err)
		require.Empty(f, due)
		n, _, err := f.s.Backlog(f.ctx, f.service)
		require.NoError(f, err)
		require.Zero(f, n)
		require.ErrorIs(f, f.s.Lease(f.ctx, f.service, c.ID, c.Attempts, f.at(50)), store.ErrConflict)
		infos, err := f.s.Claims(f.ctx, f.service, store.Page{State: store.Failed, Limit: 10})
		require.NoError(f, err)
		require.Len(f, infos, 1)

		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{NextAttempt: f.at(50), Error: "late", Targets: states}))
		requireClaim(f, c, f.outbox(c))
		givenUp.Error = "b: gone again"
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, givenUp))
		c.LastError = givenUp.Error
		requireClaim(f, c, f.outbox(c))

		states[1] = store.Target{Name: "b", Attempts: 4, DeliveredAt: f.at(60)}
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, store.Outcome{PublishedAt: f.at(60), Size: 7, ExpireAt: givenUp.ExpireAt, Targets: states}))
		c.State, c.Targets, c.LastError, c.PublishedAt = store.Published, states, "", f.at(60)
		requireClaim(f, c, f.outbox(c))
		require.NoError(f, f.s.Settle(f.ctx, f.service, c.ID, givenUp))
		requireClaim(f, c, f.outbox(c))
	},
}
