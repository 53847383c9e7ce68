package gate

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/store"
)

// stuckStore takes an hour for a commit.
type stuckStore struct{ store.Store }

func (stuckStore) Now(context.Context) (time.Time, bool, error) { return time.Time{}, false, nil }

func (stuckStore) Append(_ context.Context, events []store.Append) []store.AppendResult {
	time.Sleep(time.Hour)
	return make([]store.AppendResult, len(events))
}

// If a caller leaves before its events are stored, their memory stays reserved. Otherwise
// callers that connect and leave could exhaust it.
func TestEventsHoldTheirMemoryUntilTheyAreStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := config.Service{ServiceName: "s", Endpoints: []config.Endpoint{{EventKey: "a"}}, Trigger: config.Trigger{Type: "none"}}
		g := New(svc, Options{Store: stuckStore{}, Log: slog.New(slog.DiscardHandler)})
		b := budget.New(1000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		hold := b.Hold()
		require.NoError(t, hold.Grow(ctx, 600))
		_, err := g.Ingest(ctx, Incoming{EventKey: "a", Content: []byte("x"), Held: hold})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		hold.Release() // as the handler does when it returns
		require.Equal(t, int64(600), b.Used())
		time.Sleep(2 * time.Hour)
		require.Zero(t, b.Used())

		hold = b.Hold()
		require.NoError(t, hold.Grow(t.Context(), 600))
		_, err = g.Ingest(t.Context(), Incoming{EventKey: "none", Held: hold})
		require.Error(t, err)
		_, err = g.Ingest(t.Context(), Incoming{EventKey: "a", Held: hold}, Incoming{EventKey: "a", Held: hold})
		require.NoError(t, err)
		hold.Release()
		require.Zero(t, b.Used())
	})
}

// A message that gets no memory stays claimed, and a sweep publishes it.
func TestAMessageWithoutMemoryWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const topic = "projects/p/topics/t"
		st := &slowStore{claim: store.Claim{
			ClaimInfo: store.ClaimInfo{ID: "c", EventID: "e", Service: "s", State: store.Claimed, NextAttempt: time.Now()},
			Lists:     []event.List{{Key: "a", Count: 1, Included: []event.Ref{{ID: "1", Size: 1 << 20}}}},
		}}
		b := budget.New(100 << 20)
		g := New(config.Service{ServiceName: "s", TargetPubSub: config.TargetPubSub{Topic: topic}, MaxMessageBytes: 9 << 20},
			Options{Store: st, Bus: localbus.New(topic), Log: slog.New(slog.DiscardHandler), Work: b})
		require.True(t, b.Try(90<<20))
		require.ErrorContains(t, g.publish(t.Context(), st.claim, attempt{build: buildTime(1)}, func() { t.Error("the bus has no message") }), "memory")
		require.Equal(t, store.Claimed, st.claim.State)
		require.Equal(t, int64(90<<20), b.Used())
		b.Give(90 << 20)
		require.NoError(t, g.publish(t.Context(), st.claim, attempt{build: buildTime(1)}, func() {}))
		require.Equal(t, store.Published, st.claim.State)
		require.Zero(t, b.Used())

		small := budget.New(1 << 20) // a message larger than the whole budget is published alone
		g.work = small
		st.claim.State = store.Claimed
		require.NoError(t, g.publish(t.Context(), st.claim, attempt{build: buildTime(1)}, func() {}))
		require.Zero(t, small.Used())
	})
}
