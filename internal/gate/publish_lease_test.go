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
	"github.com/headgate/headgate/internal/store"
)

// slowStore has one claim. Reading a page of its events takes a fixed time.
type slowStore struct {
	store.Store
	claim store.Claim
	page  time.Duration
}

func (s *slowStore) Due(_ context.Context, _ string, now, _ time.Time, _ int) ([]store.ClaimInfo, error) {
	if s.claim.State == store.Published || s.claim.NextAttempt.After(now) {
		return nil, nil
	}
	return []store.ClaimInfo{s.claim.ClaimInfo}, nil
}

func (s *slowStore) ClaimByEventID(context.Context, string, string) (store.Claim, error) {
	return s.claim, nil
}

func (s *slowStore) Lease(_ context.Context, _, _ string, attempts int, until time.Time) error {
	if attempts != s.claim.Attempts {
		return store.ErrConflict
	}
	s.claim.Attempts, s.claim.NextAttempt = attempts+1, until
	return nil
}

func (s *slowStore) Events(ctx context.Context, _ string, members []store.Member) ([]event.Event, error) {
	select {
	case <-time.After(s.page):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out := make([]event.Event, len(members))
	for i, m := range members {
		out[i] = event.Event{ID: m.ID, Key: "a", ReceivedAt: m.ReceivedAt}
	}
	return out, nil
}

func (s *slowStore) Settle(_ context.Context, _, _ string, o store.Outcome) error {
	if s.claim.NextAttempt = o.NextAttempt; !o.PublishedAt.IsZero() {
		s.claim.State = store.Published
	}
	return nil
}

// A claim of many large events takes long to read from a store across a network. Its
// message is published all the same, once an attempt has enough time.
func TestAMessageThatTakesLongToBuildIsPublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const topic = "projects/p-1/topics/sync"
		cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":60},
			"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + topic + `"}}`))
		require.NoError(t, err)
		var members []store.Member
		for range 10 * pageEvents {
			members = append(members, store.Member{ID: event.RandomID(), ReceivedAt: time.Now()})
		}
		st := &slowStore{page: 3 * time.Second, claim: store.Claim{
			ClaimInfo: store.ClaimInfo{ID: event.RandomID(), EventID: event.RandomID(), Attempts: 1, State: store.Claimed},
			Lists:     []event.List{{Key: "a", Count: len(members), Included: members}},
		}}
		g := New(cfg.Services[0], Options{Store: st, Bus: localbus.New(topic), Log: slog.New(slog.DiscardHandler)})
		for st.claim.State != store.Published {
			require.Less(t, st.claim.Attempts, 10, "attempts")
			_, _, err := g.republish(t.Context(), dueClaims)
			require.NoError(t, err)
			time.Sleep(10 * time.Second)
		}
		require.Equal(t, 4, st.claim.Attempts, "30 seconds of reading are within the fourth attempt's time")
	})
}

// A lease is longer than its attempt can take, so no other instance publishes meanwhile.
func TestALeaseOutlastsItsAttempt(t *testing.T) {
	t.Parallel()
	for attempt := range 100 {
		require.GreaterOrEqual(t, publishLease(attempt), buildTime(attempt)+2*publishTimeout, "build, publish, settle")
		require.LessOrEqual(t, publishLease(attempt), longestBuild+2*publishTimeout)
	}
	require.Equal(t, 15*time.Second, publishLease(1))
}
