package gate

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/clock"
)

func TestRecentEventsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRecentEvents(100 << 10)
	at := time.Unix(1, 0)
	var last event.Event
	for i := range 10_000 {
		last = event.Event{ID: fmt.Sprint(i), ReceivedAt: at, Content: make([]byte, i%100)}
		r.add(last)
		require.LessOrEqual(t, r.bytes, r.max)
	}
	require.Less(t, len(r.byID), 300)
	require.Less(t, len(r.order), 1000)
	got, ok := r.get(last.Ref())
	require.True(t, ok)
	require.Equal(t, last, got)
	other := last.Ref()
	other.ReceivedAt = at.Add(1)
	_, ok = r.get(other)
	require.False(t, ok, "the same id at another time is another event")
	r.add(event.Event{ID: "huge", Content: make([]byte, 60<<10)})
	_, ok = r.get(event.Ref{ID: "huge"})
	require.False(t, ok, "one large event does not push out all others")
}

// TestManyGatesShareTheMemoryOfRecentEvents states that the memory of a process does not grow with
// the number of its services beyond a bound, and that few services keep as much as one alone.
func TestManyGatesShareTheMemoryOfRecentEvents(t *testing.T) {
	t.Parallel()
	gate := func(gates int) *Gate {
		return New(config.Service{}, Options{Gates: gates, Log: slog.New(slog.DiscardHandler), Clock: clock.New(clock.Options{Wall: time.Now, Mono: func() time.Duration { return 0 }})})
	}
	for _, gates := range []int{0, 1, 2, 8, 9, 50, 500, 10_000} {
		got := gate(gates).recent.max
		require.Positive(t, got)
		require.LessOrEqual(t, int64(gates)*got, int64(cacheTotal))
		if gates <= 8 {
			require.Equal(t, int64(cacheBytes), got)
		}
	}
}
