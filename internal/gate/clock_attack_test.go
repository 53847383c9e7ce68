package gate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/firestorestore"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

const (
	topic  = "projects/p-1/topics/sync"
	period = 10 * time.Minute
	// blur is what small corrections of the clock may cost.
	blur = 5 * time.Second
)

// world is a store, a bus and the truth about the time.
type world struct {
	*testing.T
	timed  bool // the store has a time of its own
	store  *timedStore
	bus    *moodyBus
	ran    time.Duration // true time since the beginning
	began  time.Time
	cfg    config.Service
	events []*sent
}

// sent is an event that was acknowledged.
type sent struct {
	key, name string
	receipt   gate.Receipt
	at        time.Duration // in truth
	out       int           // messages that have it
	expired   bool
}

// timedStore has the world's time, or none.
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

// moodyBus is away now and then.
type moodyBus struct {
	bus.Bus
	mu   sync.Mutex
	away bool
	hold func() // nil: publications are not held up
	sent []bus.Message
}

func (b *moodyBus) Publish(_ context.Context, _ string, m bus.Message) (string, error) {
	if b.hold != nil {
		b.hold()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return "", errors.New("away")
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
	set   time.Duration // its clock, from the truth
	clock *clock.Steady
	wrong bool // it has shown a wrong time
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
	i.Gate = gate.New(i.w.cfg, gate.Options{Store: i.w.store, Bus: i.w.bus, Log: slog.New(slog.DiscardHandler), Clock: i.clock})
}

// onBoth runs a test on SQLite, and on the Firestore emulator if it is there.
func onBoth(t *testing.T, test func(w *world)) {
	on := func(t *testing.T, st store.Store, timed bool) {
		cfg, err := config.Parse([]byte(`{"serviceName":"s","retentionDays":1,"trigger":{"type":"window","observationPeriod":600},
			"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + topic + `"}}`))
		require.NoError(t, err)
		w := &world{T: t, timed: timed, bus: &moodyBus{Bus: localbus.New(topic)}, began: time.Now().UTC().Truncate(time.Second), cfg: cfg.Services[0]}
		w.store = &timedStore{st, w}
		test(w)
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		st, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		on(t, st, false)
	})
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		_, project := emulator.Firestore(t)
		st, err := firestorestore.Open(t.Context(), firestorestore.Options{Project: project})
		require.NoError(t, err)
		t.Cleanup(func() { _ = st.Close() })
		on(t, st, true)
	})
}

// send sends an event, named or not, and returns the eventID that it released.
func (i *instance) send(key, name string) string {
	i.w.Helper()
	i.Help()()
	in := gate.Incoming{EventKey: key, Meta: event.Meta{Method: "POST"}, Content: []byte("x"), IdempotencyKey: name}
	out, err := i.Ingest(context.Background(), in)
	require.NoError(i.w, err)
	r := out.Receipts[0]
	if before := i.w.named(name); before != nil && i.w.ran-before.at < 24*time.Hour-blur {
		require.True(i.w, r.Duplicate, "a name counts once")
		return out.Triggered
	}
	require.False(i.w, r.Duplicate)
	i.w.events = append(i.w.events, &sent{key: key, name: name, receipt: r, at: i.w.ran})
	return out.Triggered
}

func (w *world) named(name string) *sent {
	for _, e := range slices.Backward(w.events) {
		if name != "" && e.name == name {
			return e
		}
	}
	return nil
}

// pass has time pass. The processes sweep meanwhile, every minute.
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

// check requires that nothing acknowledged is lost, and nothing is in two messages.
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

// For eleven seconds the clock is two hours ahead, then right again.
func TestAttackClockTwoHoursAheadForElevenSeconds(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{2 * time.Hour, 240 * time.Hour, -time.Hour, -240 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				i := w.instance(0)
				i.send("a", "kept")
				first := i.send("b", "")
				require.NotEmpty(w, first)
				w.pass(time.Hour, i) // the process is past its grace
				i.send("a", "one")
				w.pass(time.Minute, i)
				i.set = jump
				w.pass(11*time.Second, i)
				i.send("a", "one") // the source sends it again
				i.send("a", "ahead")
				w.pass(time.Second, i)
				i.set = 0
				w.pass(2*time.Minute, i)
				w.check()
				require.NotEmpty(w, i.send("b", ""), "the window is completed by what was acknowledged")
				require.Empty(w, i.send("b", ""))
				c, err := w.store.ClaimByEventID(context.Background(), "s", w.bus.ids()[1])
				require.NoError(w, err)
				require.Len(w, c.Lists[0].Included, 2)
				require.NoError(w, i.WriteMessage(context.Background(), first, io.Discard, func(int) {}), "no message is purged")
				w.check()
			})
		})
	}
}

// A process that starts with a wrong clock deletes nothing before it is corrected, and
// what was claimed under a clock that was ahead is published.
func TestAttackClockWrongAtStart(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{240 * time.Hour, -time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				i := w.instance(0)
				i.send("a", "")
				first := i.send("b", "")
				w.pass(time.Minute, i)
				i.send("a", "waits")
				w.bus.set(true)
				i.send("a", "")
				require.NotEmpty(w, i.send("b", ""))
				i.send("a", "waits too")
				i.set = wrong
				i.restart()
				w.bus.set(false)
				w.pass(2*time.Minute, i)
				require.Len(w, w.bus.ids(), 2, "a claim of another time is not waited for")
				i.set = 0
				w.pass(clock.Hold+time.Minute, i)
				w.check()
				require.NoError(w, i.WriteMessage(context.Background(), first, io.Discard, func(int) {}))
				require.NotEmpty(w, i.send("b", ""), "what waits still completes its window")
			})
		})
	}
}

// A machine that begins far in the past, and has its clock set soon after, takes no
// event twice that its source sends again.
func TestAttackClockNamesAreKeptByASlowStart(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		i := w.instance(0)
		i.send("a", "k")
		w.pass(time.Minute, i)
		i.set = -20_000 * 24 * time.Hour
		i.restart()
		i.send("a", "k") // which requires that it is a duplicate
		w.pass(clock.Grace-time.Minute, i)
		i.send("a", "k")
		i.set = 0
		w.pass(time.Hour, i)
		i.send("a", "k")
	})
}

// An event that a clock far ahead has stamped waits for its period and no longer, and
// does not hold its name for days.
func TestAttackClockEventsOfTheFuture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		if w.timed {
			w.Skip("the store's time decides: no event is of the future")
		}
		i := w.instance(240 * time.Hour)
		i.send("a", "k")
		require.WithinDuration(w, w.truth().Add(240*time.Hour), w.events[0].receipt.ReceivedAt, time.Second)
		i.set = 0
		i.restart()
		w.pass(time.Minute, i)
		require.NotEmpty(w, i.send("b", ""), "it is in the window")
		i.set = 240 * time.Hour
		i.restart()
		i.send("a", "l")
		i.set = 0
		i.restart()
		w.pass(time.Hour, i)
		w.check()
		require.Empty(w, i.send("b", ""), "its period is over")
		out, err := i.Ingest(context.Background(), gate.Incoming{EventKey: "a", IdempotencyKey: "l"})
		require.NoError(w, err)
		require.False(w, out.Receipts[0].Duplicate, "a name is not held by a time that never was")
	})
}

// Whatever the clocks do, nothing that was acknowledged is lost, no message is purged
// early, and what is claimed is published soon after the bus is back.
func TestAttackClockJumpsUnderLoad(t *testing.T) {
	t.Parallel()
	runs := 3
	if os.Getenv("HEADGATE_ATTACK") != "" {
		runs = 30
	}
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				seed := rand.Uint64()
				w.Log("seed", seed)
				attack(w, rand.New(rand.NewPCG(seed, 1)))
			})
		})
	}
}

func attack(w *world, r *rand.Rand) {
	instances := []*instance{w.instance(0)}
	steps := 150
	if w.timed { // instances of their own machines; the emulator is slow
		instances = append(instances, w.instance(-3*time.Hour))
		steps = 60
	}
	outAt := map[string]time.Duration{}
	published := func() {
		for _, id := range w.bus.ids() {
			if _, ok := outAt[id]; !ok {
				outAt[id] = w.ran
			}
		}
	}
	upTo := func(most time.Duration) time.Duration { return time.Duration(r.Int64N(int64(most))) }
	names := 0
	for range steps {
		i := instances[r.IntN(len(instances))]
		switch r.IntN(12) {
		case 0, 1:
			i.set = []time.Duration{1, 60, 3600, 86400, 10 * 86400}[r.IntN(5)] * time.Second
			if i.set += upTo(time.Minute); r.IntN(2) == 0 {
				i.set = -i.set
			}
		case 2, 3:
			i.set = 0
		case 4:
			w.bus.set(r.IntN(2) == 0)
		case 5:
			if w.timed || i.set == 0 && !i.wrong { // without a store to ask, a process forgets what it knew about its clock
				i.restart()
			}
		case 6:
			_, err := i.SweepNow(context.Background())
			require.NoError(w, err)
		case 7:
			if n := len(w.events); n > 0 {
				if e := w.events[n-1-r.IntN(min(n, 5))]; e.name != "" && w.ran-e.at < 23*time.Hour {
					i.send(e.key, e.name)
				}
			}
		case 8:
			w.pass(upTo(2*time.Hour), instances...)
		default:
			w.pass(upTo(20*time.Second), instances...)
			key, name := []string{"a", "b"}[r.IntN(2)], ""
			if r.IntN(2) == 0 {
				names++
				name = fmt.Sprint("n", names)
			}
			other := map[string]string{"a": "b", "b": "a"}[key]
			w.check()
			completes := slices.ContainsFunc(w.events, func(e *sent) bool {
				return e.key == other && e.out == 0 && !e.expired && w.ran-e.at < period-blur
			})
			released := i.send(key, name)
			require.True(w, !completes || released != "", "the window was complete")
		}
		published()
		w.check()
		i.wrong = i.wrong || i.clock.Now().Sub(w.truth()).Abs() > 2*time.Second
		for id, at := range outAt {
			if w.ran-at < 24*time.Hour-blur {
				require.NoError(w, i.WriteMessage(context.Background(), id, io.Discard, func(int) {}), "purged early")
			}
		}
	}
	w.bus.set(false)
	for _, i := range instances {
		i.set = 0
	}
	w.pass(8*time.Minute, instances...)
	n, _, err := w.store.Backlog(context.Background(), "s")
	require.NoError(w, err)
	require.Zero(w, n, "what is claimed is published")
	w.check()
}
