package memorystore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func request(id string, at time.Time, place *store.Place) store.Append {
	return store.Append{
		Event: event.Event{ID: id, Key: "e", ReceivedAt: at, Content: []byte("body")}, Endpoint: store.Endpoint{Service: "s", Key: "e"},
		Attempt: event.RandomID(), ForgetBefore: at.Add(-time.Hour), ExpireAt: at.Add(48 * time.Hour), Place: place,
	}
}

func add(t *testing.T, s *Store, a store.Append) store.AppendResult {
	t.Helper()
	r := s.Append(t.Context(), []store.Append{a})[0]
	require.NoError(t, r.Err)
	return r
}

func claimOf(refs ...event.Ref) store.Claim {
	return store.Claim{
		ClaimInfo: store.ClaimInfo{ID: event.RandomID(), EventID: event.RandomID(), Service: "s", Owner: event.RandomID(), Date: noon, State: store.Claimed},
		Lists:     []event.List{{Key: "e", Included: refs}},
	}
}

// With Forget, an event is held until its message is published, and its name as long as it
// is remembered.
func TestForgetHoldsWhatIsOpen(t *testing.T) {
	t.Parallel()
	s := New(Options{Forget: true})
	named, unnamed := event.DeriveID("s", "e", "n"), event.NewID(noon)
	for _, id := range []string{named, unnamed} {
		add(t, s, request(id, noon, nil))
	}
	ep := store.Endpoint{Service: "s", Key: "e"}
	ps, err := s.Pending(t.Context(), ep, time.Time{}, 0)
	require.NoError(t, err)
	require.Equal(t, 2, s.Waits("s"))
	c := claimOf(ps...)
	require.NoError(t, s.Claim(t.Context(), c, []store.Taken{{Endpoint: ep, Pointers: ps}}))
	require.Equal(t, 2, s.Held("s"), "the message is not published yet")
	require.NoError(t, s.Settle(t.Context(), "s", c.ID, store.Outcome{PublishedAt: noon}))
	require.Zero(t, s.Held("s"))
	_, err = s.ClaimByEventID(t.Context(), "s", c.EventID)
	require.ErrorIs(t, err, store.ErrNotFound)

	r := add(t, s, request(named, noon.Add(time.Hour-time.Microsecond), nil))
	require.True(t, r.Duplicate)
	require.Equal(t, noon, r.ReceivedAt)
	require.False(t, add(t, s, request(named, noon.Add(time.Hour), nil)).Duplicate, "the name is forgotten")
	require.Empty(t, s.service("s").names.received)
}

// An event that is discarded, superseded or dropped is not held either.
func TestForgetDropsWhatLeaves(t *testing.T) {
	t.Parallel()
	s, ep := New(Options{Forget: true}), store.Endpoint{Service: "s", Key: "e"}
	place := func(slot string) *store.Place { return &store.Place{Key: "k", At: noon, Slot: slot} }
	add(t, s, request(event.NewID(noon), noon, place("0a")))
	add(t, s, request(event.NewID(noon), noon.Add(time.Second), place("0a")))
	require.Equal(t, 1, s.Held("s"), "the first one has lost its slot")
	add(t, s, request(event.NewID(noon), noon, place("")))
	require.True(t, s.WaitsUnder("s", "k"))
	at, ok := s.Earliest("s")
	require.True(t, ok)
	require.Equal(t, noon, at)
	ws, err := s.WaitingOf(t.Context(), ep, "k", store.Span{}, true, 0)
	require.NoError(t, err)
	require.Len(t, ws, 2)
	_, err = s.DiscardWaiting(t.Context(), ep, ws[:1])
	require.NoError(t, err)
	require.Equal(t, 1, s.Held("s"))
	c := claimOf(ws[1].Ref)
	c.State = store.Dropped
	require.NoError(t, s.Claim(t.Context(), c, []store.Taken{{Endpoint: ep, Waiting: ws[1:]}}))
	require.Zero(t, s.Held("s"))
	require.False(t, s.WaitsUnder("s", "k"))
}

// With Claims, a published claim tells how many events it had, and no more, until it is dropped.
func TestClaimsThatAreKept(t *testing.T) {
	t.Parallel()
	s, ep := New(Options{Forget: true, Claims: true}), store.Endpoint{Service: "s", Key: "e"}
	publish := func(at time.Time) store.Claim {
		add(t, s, request(event.NewID(at), at, nil))
		ps, err := s.Pending(t.Context(), ep, time.Time{}, 0)
		require.NoError(t, err)
		c := claimOf(ps...)
		c.Date, c.State, c.PublishedAt, c.ExpireAt = at, store.Published, at, at.Add(time.Hour)
		c.Lists[0].Count = len(ps)
		require.NoError(t, s.Claim(t.Context(), c, []store.Taken{{Endpoint: ep, Pointers: ps}}))
		return c
	}
	first, second := publish(noon), publish(noon.Add(time.Minute))
	require.Zero(t, s.Held("s"))
	infos, err := s.Claims(t.Context(), "s", store.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, infos, 2)
	c, err := s.ClaimByEventID(t.Context(), "s", first.EventID)
	require.NoError(t, err)
	require.Equal(t, 1, c.Lists[0].Count)
	require.Empty(t, c.Lists[0].Included)
	s.DropClaims("s", noon)
	infos, err = s.Claims(t.Context(), "s", store.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, infos, 1)
	require.Equal(t, second.EventID, infos[0].EventID)
}

// The eventID of a message whose events all have names is found for its retention, because
// other events may have the same names later. That of others is forgotten at once.
func TestForgetRemembersEventIDsThatCanComeAgain(t *testing.T) {
	t.Parallel()
	s, ep := New(Options{Forget: true}), store.Endpoint{Service: "s", Key: "e"}
	for id, found := range map[string]bool{event.DeriveID("s", "e", "n"): true, event.NewID(noon): false} {
		add(t, s, request(id, noon, nil))
		ps, err := s.Pending(t.Context(), ep, time.Time{}, 0)
		require.NoError(t, err)
		c := claimOf(ps...)
		c.State, c.ExpireAt = store.Published, noon.Add(time.Hour)
		require.NoError(t, s.Claim(t.Context(), c, []store.Taken{{Endpoint: ep, Pointers: ps}}))
		_, err = s.ClaimByEventID(t.Context(), "s", c.EventID)
		if !found {
			require.ErrorIs(t, err, store.ErrNotFound)
			continue
		}
		require.NoError(t, err)
		defer func() {
			add(t, s, request(event.NewID(noon), noon.Add(time.Hour), nil))
			_, err = s.ClaimByEventID(t.Context(), "s", c.EventID)
			require.ErrorIs(t, err, store.ErrNotFound)
		}()
	}
}
