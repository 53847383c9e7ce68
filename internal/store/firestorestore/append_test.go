package firestorestore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Firestore may delete the parts of an expired event before the event itself. Its id can
// still be used again.
func TestAnIDIsUsedAgainAfterThePartsOfTheOldEventExpired(t *testing.T) {
	t.Parallel()
	_, project := emulator.Firestore(t)
	s := openStore(t, project)
	now := time.Now().UTC().Truncate(time.Microsecond)
	req := store.Append{
		Event:    event.Event{ID: event.RandomID(), Key: "a", ReceivedAt: now, Content: make([]byte, 2*partBytes)},
		Endpoint: store.Endpoint{Service: "s", Key: "a"}, Attempt: event.RandomID(), ExpireAt: now,
	}
	require.NoError(t, s.Append(t.Context(), []store.Append{req})[0].Err)
	_, err := part(s.event("s", req.Event.ID), 0).Delete(t.Context())
	require.NoError(t, err)

	req.Event.ReceivedAt, req.Event.Content = now.Add(time.Hour), []byte("new")
	req.Attempt, req.ForgetBefore = event.RandomID(), now
	r := s.Append(t.Context(), []store.Append{req})[0]
	require.NoError(t, r.Err)
	require.False(t, r.Duplicate)
	got, err := s.Events(t.Context(), "s", []store.Member{req.Event.Ref()})
	require.NoError(t, err)
	require.Equal(t, "new", string(got[0].Content))
}
