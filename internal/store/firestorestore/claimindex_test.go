package firestorestore

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// A short page of a key's claims takes few queries, however many of them do not meet its
// other condition.
func TestAShortPageTakesFewQueries(t *testing.T) {
	t.Parallel()
	s, seen := openWatched(t)
	at := time.Now().UTC().Truncate(time.Microsecond)
	for i := range 40 {
		completion := store.Complete
		if i == 0 {
			completion = store.Partial
		}
		require.NoError(t, s.Claim(t.Context(), store.Claim{ClaimInfo: store.ClaimInfo{
			ID: event.RandomID(), Service: "s", EventID: strconv.Itoa(i), Date: at.Add(time.Duration(i) * time.Second), Owner: "o", State: store.Claimed,
			Window: &store.Window{Key: "k", Completion: completion},
		}}, nil))
	}
	seen.n.Store(0)
	key := "k"
	claims, err := s.Claims(t.Context(), "s", store.Page{Key: &key, Completion: store.Partial, Limit: 1})
	require.NoError(t, err)
	require.Len(t, claims, 1)
	require.LessOrEqual(t, seen.n.Load(), int64(2))
}
