package sqlitestore_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// Many looks at once find what each finds by itself, however many they are.
func TestManyLooksAtOnce(t *testing.T) {
	t.Parallel()
	s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	endpoints := []store.Endpoint{{Service: "s", Key: "a", Shards: 1}, {Service: "s", Key: "b", Shards: 1}, {Service: "s", Key: "none", Shards: 1}}
	keys := []string{"", "a", "a\x00", "ä", "'", "7"}
	var appends []store.Append
	for i := range 400 {
		at := began.Add(time.Duration(i) * time.Second)
		ep := endpoints[rand.IntN(2)]
		p := &store.Place{Key: keys[rand.IntN(len(keys))], At: began.Add(time.Duration(rand.IntN(400)) * time.Second)}
		if i%5 == 0 {
			p.Slot = fmt.Sprintf("%02x", i%50)
		}
		appends = append(appends, store.Append{Event: event.Event{ID: event.NewID(at), Key: ep.Key, ReceivedAt: at}, Endpoint: ep, Attempt: event.RandomID()[:16], Place: p})
	}
	for _, r := range s.Append(t.Context(), appends) {
		require.NoError(t, r.Err)
	}
	for _, n := range []int{0, 1, 2, 3, 8, 9, 32, 33, 64, 100} {
		looks := make([]store.Look, n)
		for i := range looks {
			looks[i] = store.Look{Endpoint: endpoints[rand.IntN(3)], Key: append(keys, "unknown")[rand.IntN(len(keys)+1)], Slots: true, Limit: 1 + rand.IntN(80)}
			if i%2 == 0 {
				looks[i].In.From = began.Add(time.Duration(rand.IntN(400)) * time.Second)
			}
			if i%3 == 0 {
				looks[i].In.To = began.Add(time.Duration(rand.IntN(400)) * time.Second)
			}
		}
		got, err := s.WaitingOfMany(t.Context(), looks)
		require.NoError(t, err)
		require.Len(t, got, n)
		for i, l := range looks {
			want, err := s.WaitingOf(t.Context(), l.Endpoint, l.Key, l.In, l.Slots, l.Limit)
			require.NoError(t, err)
			require.Equal(t, want, got[i], "%+v", l)
		}
	}
}
