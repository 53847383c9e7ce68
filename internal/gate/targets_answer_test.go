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
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/store"
)

// answerStore has one event that waits.
type answerStore struct{ slowStore }

func (s *answerStore) Now(context.Context) (time.Time, bool, error) {
	return time.Time{}, false, nil
}

func (s *answerStore) Pending(context.Context, store.Endpoint, time.Time, int) ([]store.Pointer, error) {
	return []store.Pointer{{ID: "1", ReceivedAt: time.Now()}}, nil
}

func (s *answerStore) Claim(_ context.Context, c store.Claim, _ []store.Taken) error {
	s.claim = c
	return nil
}

func (s *answerStore) MaxClaim() int { return 10 }

// hangs never answers.
type hangs struct{}

func (hangs) Send(ctx context.Context, _ target.Message) error {
	<-ctx.Done()
	return &target.Failure{Message: "no answer", Unanswered: true}
}

// Whoever releases a window waits no longer for an endpoint that does not answer than for a
// topic.
func TestASlowTargetDoesNotHoldUpTheAnswer(t *testing.T) {
	t.Parallel()
	for _, backgroundCPU := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			const topic = "projects/p-1/topics/sync"
			cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"}],
				"targetPubSub":{"topic":"` + topic + `"},"targets":[{"name":"hook","http":{"url":"https://a.example/"}}]}`))
			require.NoError(t, err)
			st := new(answerStore)
			g := New(cfg.Services[0], Options{Store: st, Bus: localbus.New(topic), Log: slog.New(slog.DiscardHandler), BackgroundCPU: backgroundCPU,
				Senders: map[string]target.Sender{"hook": hangs{}}})
			began := time.Now()
			out, err := g.Trigger(t.Context(), nil)
			require.NoError(t, err)
			require.LessOrEqual(t, time.Since(began), publishTimeout)
			require.Equal(t, 1, out.NumberOfEvents)
			require.False(t, out.Published)
			g.inFlight.Wait()
			require.Equal(t, store.Claimed, st.claim.State)
			require.LessOrEqual(t, time.Since(began), leaseOf(st.claim.ClaimInfo, 1)-publishTimeout, "the lease outlasts the attempt and its record")
		})
	}
}

// A service with one topic stores what it always did.
func TestOneTopicHasNoTargets(t *testing.T) {
	t.Parallel()
	const topic = "projects/p-1/topics/sync"
	for _, where := range []string{`"targetPubSub":{"topic":"` + topic + `"}`, `"targets":[{"name":"bus","pubsub":{"topic":"` + topic + `"}}]`} {
		cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"}],` + where + `}`))
		require.NoError(t, err)
		st := new(answerStore)
		g := New(cfg.Services[0], Options{Store: st, Bus: localbus.New(topic), Log: slog.New(slog.DiscardHandler)})
		out, err := g.Trigger(t.Context(), nil)
		require.NoError(t, err)
		require.True(t, out.Published)
		require.Empty(t, st.claim.Targets)
		require.Equal(t, store.Published, st.claim.State)
		require.Equal(t, topic, g.Topic())
	}
}
