package gate_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// rules are the trigger and the further fields of a service.
type rules struct{ trigger, more string }

var (
	plain = rules{`"observationPeriod":600`, ``}
	keyed = rules{`"window":"anchored","observationPeriod":600,"onClose":"partial"`, byOrder}
)

// A service that gets other rules leaves events in sets that nobody looks at. They are found
// at the next start, kept for a day in case the rules come back, and then counted and logged.
func TestEventsOfFormerRulesLeaveAfterADay(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]rules{"from keys to plain": {keyed, plain}, "from plain to keys": {plain, keyed}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				var logged bytes.Buffer
				w.log = slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn})
				w.configured(change[0].trigger, twoEndpoints, change[0].more)
				i := w.instance(0)
				i.post("a", order(1))
				i.post("a", order(2))
				w.ran += 2 * time.Minute

				w.configured(change[1].trigger, twoEndpoints, change[1].more)
				i.restart()
				w.pass(time.Minute, i)
				require.Contains(w, logged.String(), "events wait under rules that the service no longer has")
				logged.Reset()
				w.hourly(2, i)
				require.Empty(w, logged.String(), "they are kept, and the warning is given once")
				require.Empty(w, w.published())

				w.hourly(24, i)
				require.Contains(w, logged.String(), "events left the window without a message")
				s, err := i.Status(context.Background(), nil)
				require.NoError(w, err)
				require.Equal(w, 2, s.Endpoints[0].Expired)
				require.Zero(w, w.pointers(), "no pointer is left")

				logged.Reset()
				i.restart()
				w.hourly(2, i)
				require.Empty(w, logged.String())
			})
		})
	}
}

// A rollback within a day finds the events as they were.
func TestEventsOfFormerRulesAreThereAfterARollback(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(keyed.trigger, twoEndpoints, keyed.more)
		i := w.instance(0)
		i.post("a", order(1))
		w.configured(plain.trigger, twoEndpoints, plain.more)
		i.restart()
		w.pass(5*time.Minute, i)
		i.post("b", order(1))
		w.configured(keyed.trigger, twoEndpoints, keyed.more)
		i.restart()
		require.NotEmpty(w, i.post("b", order(1)).Triggered)
		require.Equal(w, []string{"1 complete a1 b1"}, w.published())
	})
}

// A process looks for them once, so sweeps cost no more than before.
func TestFormerRulesAreLookedForOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(plain.trigger, twoEndpoints, plain.more)
		scanning := &scanningStore{Store: w.store.Store}
		w.store.Store = scanning
		i := w.instance(0)
		w.hourly(5, i)
		require.Equal(w, 3, scanning.scans, "one for each endpoint, and one for dead letters")
	})
}

// filtered is an endpoint whose events go to the dead letters if the filter fails.
const filtered = `{"eventKey":"a","filter":"event.body.ok","onError":"deadLetter"},{"eventKey":"b"}`

// letterLeft returns an instance of a service without dead letters. An instance of its former
// revision died before it had made a dead letter of an event. more are further fields.
func (w *world) letterLeft(more string) *instance {
	w.configured(plain.trigger, filtered, `,"deadLetter":{"topic":"`+deadTopic+`"}`)
	away := &claimless{Store: w.store.Store}
	w.store.Store = away
	i := w.instance(0)
	away.set(true)
	require.Equal(w, "filter", i.receive("a", `{}`, "").DeadLetter)
	away.set(false)
	w.ran += 2 * time.Minute
	w.configured(plain.trigger, twoEndpoints, more)
	i.restart()
	return i
}

// A single event that waits for dead letters which the service no longer has is kept for a
// day, and then leaves with a line and an alert.
func TestADeadLetterOfFormerRulesLeavesAfterADay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		logs := w.logs()
		i := w.letterLeft(withAlerts)
		w.hourly(23, i)
		require.Len(w, logs.saying("events wait for dead letters that the service no longer has: they leave without a message, unless it gets the former rules back"), 1)
		n, err := w.store.CountWaiting(w.Context(), store.Endpoint{Service: "s", Key: "/deadLetter"}, 0)
		require.NoError(w, err)
		require.Equal(w, 1, n)
		w.hourly(2, i)
		i.Idle()
		require.Len(w, logs.saying("events left without a dead letter, which the service no longer has"), 1)
		require.Len(w, w.alerts(), 1)
		n, err = w.store.CountWaiting(w.Context(), store.Endpoint{Service: "s", Key: "/deadLetter"}, 0)
		require.NoError(w, err)
		require.Zero(w, n)
	})
}

// While the service has a topic for dead letters, it gets those of former rules too.
func TestADeadLetterOfFormerRulesIsSent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		i := w.letterLeft(`,"deadLetter":{"topic":"` + deadTopic + `"}`)
		w.pass(time.Minute, i)
		require.Len(w, w.bus.ids(), 1)
	})
}

// A claim in parts that began under former rules finds its events, however long it takes.
func TestAClaimInPartsOfFormerRules(t *testing.T) {
	t.Parallel()
	drivertest.Each(t, func(t *testing.T, st drivertest.Store) {
		p := interrupted(t, st)
		former := p.cfg
		keyed := p.cfg
		keyed.Correlation = &config.Correlation{Key: "event.body.order"}
		p.cfg = keyed
		for range 30 {
			p.start(1)
			p.conn[1].left = 0 // no commit of a part succeeds
			p.ran += time.Hour
			_, err := p.one[1].Sweep(t.Context())
			require.NoError(t, err)
			p.idle()
		}
		p.start(1)
		p.ran += time.Hour // the lease of the last attempt is over
		_, err := p.one[1].Sweep(t.Context())
		require.NoError(t, err)
		p.idle()
		p.cfg = former
		p.start(0)
		require.Len(t, p.bus.ids(), 1)
		require.Equal(t, 19, p.read(p.bus.ids()[0]).Events["a"].NumberOfEvents)
	})
}

// A failed look for them keeps a sweep from nothing else.
func TestASweepGoesOnWithoutALookAtFormerRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	blind := &blindStore{Store: w.store.Store}
	w.store.Store = blind
	i := w.instance(0)
	i.send("a", "")
	w.ran += 30 * time.Minute
	s, err := i.Sweep(t.Context())
	require.ErrorContains(t, err, "events of former rules could not be looked for")
	require.Equal(t, 1, s.Expired)
}

// blindStore is a store in which the sets of keys cannot be read.
type blindStore struct{ store.Store }

func (s *blindStore) WaitingUpTo(context.Context, store.Endpoint, time.Time, *store.Cursor, int) ([]store.Waiting, error) {
	return nil, errors.New("away")
}

// hourly lets hours pass, each with a sweep.
func (w *world) hourly(n int, i *instance) {
	for range n {
		w.ran += time.Hour
		_, err := i.Sweep(context.Background())
		require.NoError(w, err)
	}
}

// pointers returns the number of pointers in all sets of endpoint a.
func (w *world) pointers() int {
	ep := store.Endpoint{Service: "s", Key: "a"}
	ps, err := w.store.Pending(context.Background(), ep, time.Time{}, 0)
	require.NoError(w, err)
	n, err := w.store.CountWaiting(context.Background(), ep, 0)
	require.NoError(w, err)
	return len(ps) + n
}
