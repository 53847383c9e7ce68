package gate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/store"
)

// configure replaces the service by one with these fields.
func (w *world) configure(name, trigger, endpoints, more string) {
	cfg, err := config.Parse(fmt.Appendf(nil, `{"serviceName":%q,"retentionDays":1,"trigger":{"type":"window",%s},"endpoints":[%s],
		"targetPubSub":{"topic":%q},"deadLetter":{"topic":%q}%s}`, name, trigger, endpoints, topic, deadTopic, more))
	require.NoError(w, err)
	w.cfg = cfg.Services[0]
}

// claimless is a store that refuses claims while it is away.
type claimless struct {
	store.Store
	mu   sync.Mutex
	away bool
}

func (s *claimless) set(away bool) { s.mu.Lock(); s.away = away; s.mu.Unlock() }

func (s *claimless) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	s.mu.Lock()
	away := s.away
	s.mu.Unlock()
	if away {
		return errors.New("away")
	}
	return s.Store.Claim(ctx, c, taken)
}

func (i *instance) receive(key, body, name string) gate.Receipt {
	i.w.Helper()
	out, err := i.Ingest(context.Background(), gate.Incoming{EventKey: key, Meta: event.Meta{Method: "POST"}, Content: []byte(body), IdempotencyKey: name})
	require.NoError(i.w, err)
	return out.Receipts[0]
}

// An event whose instance dies before it has made a dead letter of it becomes one by the
// next request of any other instance, and only one.
func TestADeadLetterThatAnInstanceLeft(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configure("letters", `"observationPeriod":600`, `{"eventKey":"a","filter":"event.body.ok","onError":"deadLetter"},{"eventKey":"b"}`, "")
		away := &claimless{Store: w.store.Store}
		w.store.Store = away
		one, other := w.instance(0), w.instance(0)
		away.set(true)
		r := one.receive("a", `{}`, "k")
		require.Equal(t, "filter", r.DeadLetter, "it is durable")
		require.True(t, one.receive("a", `{}`, "k").Duplicate)
		require.Empty(t, w.bus.ids())

		away.set(false)
		w.ran += 10 * time.Second
		other.Help()()
		for _, i := range []*instance{one, other} {
			_, err := i.Sweep(t.Context())
			require.NoError(t, err)
		}
		require.Len(t, w.bus.ids(), 1)
		c, err := w.store.ClaimByEventID(t.Context(), "letters", w.bus.ids()[0])
		require.NoError(t, err)
		require.Equal(t, store.DeadLettered, c.Window.Completion)
		require.Equal(t, "filter", c.Window.Reason)
		require.Equal(t, store.Published, c.State)
		require.Equal(t, r.ID, c.Lists[0].Included[0].ID)
		require.Equal(t, 1, one.countsOf("a").DeadLettered)
		require.Equal(t, 1, one.countsOf("a").Duplicate)
	})
}

// A dead letter keeps the correlation key that its event has, so a list of the key's events
// has it too.
func TestADeadLetterKeepsItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("keyed", `"observationPeriod":600`, `{"eventKey":"a","distinct":"event.body.d","onError":"deadLetter"},{"eventKey":"b"}`, byOrder)
	i := w.instance(0)
	r := i.receive("a", order(7), "")
	require.Equal(t, "distinct", r.DeadLetter)
	key := "7"
	var found []string
	_, err := i.Records(t.Context(), gate.RecordQuery{Key: &key}, func(records []event.Record) error {
		for _, one := range records {
			found = append(found, one.ID)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{r.ID}, found)
}

func (i *instance) countsOf(key string) gate.Counts {
	i.w.Helper()
	s, err := i.Status(context.Background(), nil)
	require.NoError(i.w, err)
	for _, e := range s.Endpoints {
		if e.EventKey == key {
			return e.Counts
		}
	}
	return gate.Counts{}
}

// Instances that make dead letters at the same time make one of each event.
func TestInstancesShareDeadLetters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configure("shared", `"observationPeriod":600`, `{"eventKey":"a"}`, `,"correlation":{"key":"event.body.k","onMissing":"deadLetter"}`)
		away := &claimless{Store: w.store.Store}
		w.store.Store = away
		one, other := w.instance(0), w.instance(0)
		away.set(true)
		const events = 120 // over a page
		batch := make([]gate.Incoming, events)
		for n := range batch {
			batch[n] = gate.Incoming{EventKey: "a", Meta: event.Meta{Method: "POST"}, Content: []byte("{}")}
		}
		_, err := one.Ingest(t.Context(), batch...)
		require.NoError(t, err)
		away.set(false)
		var both sync.WaitGroup
		for _, i := range []*instance{one, other} {
			both.Go(func() { _, _ = i.Sweep(context.Background()) })
		}
		both.Wait()
		for range 3 {
			w.ran += time.Minute // leases expire
			_, err := one.Sweep(t.Context())
			require.NoError(t, err)
		}
		ids := map[string]bool{}
		for _, id := range w.bus.ids() {
			require.False(t, ids[id], "one message is sent twice")
			ids[id] = true
		}
		require.Len(t, ids, events)
	})
}

// A dead letter has no event of the window, so it does not say that the window's events
// were published.
func TestADeadLetterTakesNothingFromEventsThatAreKept(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configure("kept", `"observationPeriod":600,"keepEventAfterTrigger":true`, `{"eventKey":"a","filter":"event.body.ok","onError":"deadLetter"},{"eventKey":"b"}`,
			`,"correlation":{"key":"event.body.k"}`)
		i := w.instance(0)
		w.pass(time.Hour, i)
		i.receive("a", `{"ok":true,"k":1}`, "")
		require.Equal(t, "filter", i.receive("a", `{"k":1}`, "").DeadLetter)
		w.pass(15*time.Minute, i)
		require.Equal(t, [2]int{1, 0}, i.expired())
	})
}

// One count of the waiting events serves all events of some seconds, and none is made
// without maxPending or without events.
func TestTheCostOfMaxPending(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		for _, more := range []string{"", `,"correlation":{"key":"event.body.k"}`} {
			w.configure("bounded"+more[:min(len(more), 5)], `"observationPeriod":600`, `{"eventKey":"a"},{"eventKey":"b"}`, more+`,"maxPending":2`)
			counting := &countingStore{Store: w.store.Store}
			w.store.Store = counting
			i := w.instance(0)
			for range 3 {
				i.receive("a", `{"k":1}`, "")
			}
			require.Equal(t, 2, counting.calls, "one per endpoint")
			w.pass(time.Hour) // nothing arrives
			require.Equal(t, 2, counting.calls)
			w.store.Store = counting.Store
		}
	})
}

type countingStore struct {
	store.Store
	calls int
}

func (s *countingStore) Count(ctx context.Context, ep store.Endpoint, after time.Time, limit int) (int, error) {
	s.calls++
	return s.Store.Count(ctx, ep, after, limit)
}

func (s *countingStore) CountWaiting(ctx context.Context, ep store.Endpoint, limit int) (int, error) {
	s.calls++
	return s.Store.CountWaiting(ctx, ep, limit)
}
