package gate_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

const (
	topic  = "projects/p-1/topics/sync"
	period = 10 * time.Minute
	// blur is the time by which small corrections of the clock may shorten a period.
	blur = 5 * time.Second
)

// world has a store, a bus and the true time, which the instances' clocks may differ from.
type world struct {
	*testing.T
	timed  bool // the store has a time of its own
	store  *timedStore
	docs   store.Docs
	log    slog.Handler
	bus    *moodyBus
	ran    time.Duration // true time since the test began
	began  time.Time
	cfg    config.Service
	events []*sent

	senders []target.Sender // of alerts
	outbox  *occurrence.Outbox
	tracer  *trace.Tracer
	meter   *meter.Meter
}

// sent is an event that was acknowledged.
type sent struct {
	key, name string
	receipt   gate.Receipt
	at        time.Duration // true time
	out       int           // the number of messages with it
	expired   bool
}

// timedStore answers Now with the world's true time, or not at all.
type timedStore struct {
	store.Store
	w *world
}

func (s *timedStore) Now(ctx context.Context) (time.Time, bool, error) {
	if !s.w.timed {
		return s.Store.Now(ctx)
	}
	return s.w.truth(), true, nil
}

// moodyBus refuses messages while it is down.
type moodyBus struct {
	bus.Bus
	mu   sync.Mutex
	away bool
	says error  // its error while it is down; nil: any
	hold func() // called before each publication, and may block; may be nil
	sent []bus.Message
}

func (b *moodyBus) Publish(_ context.Context, _ string, m bus.Message) (string, error) {
	if b.hold != nil {
		b.hold()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return "", cmp.Or(b.says, errors.New("away"))
	}
	b.sent = append(b.sent, m)
	return "1", nil
}

func (b *moodyBus) set(away bool) { b.mu.Lock(); b.away = away; b.mu.Unlock() }

func (b *moodyBus) ids() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.sent {
		ids = append(ids, m.Attributes["eventID"])
	}
	return ids
}

// instance is a process with a clock that may be wrong.
type instance struct {
	*gate.Gate
	w     *world
	set   time.Duration // its clock minus the true time
	clock *clock.Steady
	wrong bool // its clock has shown a wrong time
}

func (w *world) truth() time.Time { return w.began.Add(w.ran) }

func (w *world) instance(set time.Duration) *instance {
	i := &instance{w: w, set: set}
	i.restart()
	w.Cleanup(func() { require.NoError(w, i.Close(context.Background())) })
	return i
}

func (i *instance) restart() {
	if i.Gate != nil {
		require.NoError(i.w, i.Close(context.Background()))
	}
	i.clock = clock.New(clock.Options{
		Wall: func() time.Time { return i.w.truth().Add(i.set) },
		Mono: func() time.Duration { return i.w.ran },
	})
	i.Gate = i.w.gateOf(i.w.docs, i)
}

func (w *world) gateOf(docs store.Docs, i *instance) *gate.Gate {
	return gate.New(w.cfg, gate.Options{
		Store: w.store, Docs: docs, Bus: bus.Traced(w.bus, w.tracer, "test"), Log: slog.New(w.log), Clock: i.clock,
		AlertSenders: w.senders, Outbox: w.outbox, Tracer: w.tracer, Meter: w.meter,
	})
}

// onBoth runs a test on SQLite, in memory, and on the Firestore emulator if that is running.
func onBoth(t *testing.T, test func(w *world)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(newWorld(t))
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(worldOn(t, drivertest.Memory(t), false))
	})
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		test(worldOn(t, drivertest.Firestore(t), true))
	})
}

// newWorld returns a world on SQLite.
func newWorld(t *testing.T) *world { return worldOn(t, drivertest.SQLite(t), false) }

func worldOn(t *testing.T, st drivertest.Store, timed bool) *world {
	cfg, err := config.Parse([]byte(`{"serviceName":"s","retentionDays":1,"trigger":{"type":"window","observationPeriod":600},
		"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + topic + `"}}`))
	require.NoError(t, err)
	w := &world{T: t, timed: timed, bus: &moodyBus{Bus: localbus.New(topic)}, began: time.Now().UTC().Truncate(time.Second), cfg: cfg.Services[0]}
	w.store, w.docs, w.log = &timedStore{st, w}, st, slog.DiscardHandler
	return w
}

// send ingests an event, with an idempotency key unless name is "", and returns the eventID
// of the message that it released. It requires that a retry is a duplicate.
func (i *instance) send(key, name string) string {
	i.w.Helper()
	i.Help()()
	in := gate.Incoming{EventKey: key, Meta: event.Meta{Method: "POST"}, Content: []byte("x"), IdempotencyKey: name}
	out, err := i.Ingest(context.Background(), in)
	require.NoError(i.w, err)
	r := out.Receipts[0]
	if before := i.w.named(name); before != nil && i.w.ran-before.at < 24*time.Hour-blur {
		require.True(i.w, r.Duplicate, "a key counts once")
		return out.Triggered
	}
	require.False(i.w, r.Duplicate)
	i.w.events = append(i.w.events, &sent{key: key, name: name, receipt: r, at: i.w.ran})
	return out.Triggered
}

// named returns the latest event with that idempotency key, or nil.
func (w *world) named(name string) *sent {
	for _, e := range slices.Backward(w.events) {
		if name != "" && e.name == name {
			return e
		}
	}
	return nil
}

// pass advances the true time. The instances sweep every minute.
func (w *world) pass(d time.Duration, instances ...*instance) {
	w.Helper()
	for d > 0 {
		step := min(d, time.Minute)
		w.ran, d = w.ran+step, d-step
		for _, i := range instances {
			_, err := i.Sweep(context.Background())
			require.NoError(w, err)
		}
	}
}

// check requires that no acknowledged event is lost, and none is in two messages.
func (w *world) check() {
	w.Helper()
	ctx := context.Background()
	waits, claimed := map[string]bool{}, map[string]int{}
	for _, key := range []string{"a", "b"} {
		ps, err := w.store.Pending(ctx, store.Endpoint{Service: "s", Key: key}, time.Time{}, 0)
		require.NoError(w, err)
		for _, p := range ps {
			waits[p.ID] = true
		}
	}
	for after := (*store.Cursor)(nil); ; {
		infos, err := w.store.Claims(ctx, "s", store.Page{Limit: 100, After: after})
		require.NoError(w, err)
		for _, info := range infos {
			c, err := w.store.ClaimByEventID(ctx, "s", info.EventID)
			require.NoError(w, err)
			for _, l := range c.Lists {
				for _, m := range l.Included {
					claimed[m.ID+m.ReceivedAt.String()]++
				}
			}
			after = &store.Cursor{Date: info.Date, ID: info.ID}
		}
		if len(infos) < 100 {
			break
		}
	}
	for _, e := range w.events {
		n := claimed[e.receipt.ID+e.receipt.ReceivedAt.String()]
		require.LessOrEqual(w, n, 1, "an event is in one message")
		if e.out = max(e.out, n); e.out == 0 && !waits[e.receipt.ID] {
			e.expired = true
			require.GreaterOrEqual(w, w.ran-e.at, period-blur, "%s, received at %s, is lost", e.key, e.receipt.ReceivedAt)
		}
	}
}
