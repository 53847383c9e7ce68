package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/meter/metertest"
	"github.com/headgate/headgate/internal/store"
)

const alertTopic = "projects/p-1/topics/alerts"

const withAlerts = `,"alerts":{"topic":"` + alertTopic + `"}`

// alerts returns the alerts that went out, in order. It requires that they are CloudEvents.
func (w *world) alerts() (list []alert.Alert) {
	w.Helper()
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	for _, m := range w.bus.sent {
		if m.Attributes["ce-type"] != alert.Type {
			continue
		}
		var a alert.Alert
		require.NoError(w, json.Unmarshal(m.Data, &a))
		for name, want := range map[string]string{
			"ce-id": a.ID, "ce-specversion": "1.0", "ce-source": "/services/" + w.cfg.ServiceName, "content-type": "application/json", "serviceName": w.cfg.ServiceName, "kind": string(a.Kind),
			"ce-time": a.At.Format(time.RFC3339Nano), "alertID": a.ID,
		} {
			require.Equal(w, want, m.Attributes[name], name)
		}
		list = append(list, a)
	}
	return list
}

// told describes the alerts that went out: kind, key, completion and what is missing.
func (w *world) told() (list []string) {
	for _, a := range w.alerts() {
		line := fmt.Sprintf("%s %s %s", a.Kind, a.CorrelationKey, a.Completion)
		for _, e := range a.Endpoints {
			line += fmt.Sprintf(" %s%d/%d", e.EventKey, e.Have, e.Need)
			if e.Expired > 0 {
				line += fmt.Sprintf("(%d)", e.Expired)
			}
		}
		for _, m := range a.Missing {
			line += " -" + m.EventKey
		}
		list = append(list, line)
	}
	return list
}

// tick does what a process that runs between requests does every second.
func (w *world) tick(instances ...*instance) {
	for _, i := range instances {
		require.NoError(w, i.CloseDue(context.Background()))
		i.Idle()
	}
}

func TestAWindowThatClosesIncompleteIsAlertedOnce(t *testing.T) {
	t.Parallel()
	for onClose, completion := range map[string]string{"drop": "dropped", "partial": "partial", "deadLetter": "deadLetter"} {
		onBoth(t, func(w *world) {
			w.configured(`"window":"anchored","observationPeriod":600,"onClose":"`+onClose+`"`, twoEndpoints,
				`,"correlation":{"key":"event.body.order"},"deadLetter":{"topic":"`+topic+`"}`+withAlerts)
			logs := w.logs()
			i, other := w.instance(0), w.instance(0)
			i.post("a", order(1))
			i.post("a", order(2))
			i.post("b", order(2))
			opened := w.truth()
			w.ran += 10*time.Minute + time.Second
			var both sync.WaitGroup
			for _, one := range []*instance{i, other} {
				both.Go(func() { _ = one.CloseDue(context.Background()) })
			}
			both.Wait()
			w.tick(i, other)
			i.restart()
			w.tick(other, i)
			w.pass(time.Hour, i, other)
			i.Idle()
			require.Equal(w, []string{"incomplete 1 " + completion + " a1/1 b0/1 -b"}, w.told())
			a := w.alerts()[0]
			require.Equal(w, opened.Add(10*time.Minute), *a.Window.Closes)
			require.Equal(w, opened, a.Window.Opened)
			require.Equal(w, opened.Add(10*time.Minute), a.At)
			require.Equal(w, []int{0, 1}, []int{a.Missing[0].Have, a.Missing[0].Need})
			infos, err := i.Messages(w.Context(), store.Page{Limit: 10})
			require.NoError(w, err)
			require.True(w, slices.ContainsFunc(infos, func(c store.ClaimInfo) bool {
				return c.EventID == a.EventID && string(c.Window.Completion) == completion
			}), "it names the record")
			lines := logs.saying("a window closed before it was complete")
			require.Len(w, lines, 1)
			require.Equal(w, "WARN", lines[0]["level"])
			require.Equal(w, completion, lines[0]["completion"])
		})
	}
}

// The alert is stored with the window's record. So a process that dies right after that
// commit loses nothing: another one sends the alert.
func TestAnAlertOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, withAlerts)
		docs := &brokenDocs{Docs: w.docs}
		w.docs = docs
		i, other := w.instance(0), w.instance(0)
		i.post("a", "{}")
		w.ran += 11 * time.Minute
		docs.broken = true // this process comes no further than the record
		w.tick(i)
		require.Empty(w, w.told())
		status, err := i.Status(w.Context(), nil)
		require.NoError(w, err)
		require.Len(w, status.Alerts, 1)
		require.True(w, status.Alerts[0].Waiting)
		docs.broken = false
		w.ran += 2 * time.Minute
		w.tick(other, i)
		require.Equal(w, []string{"incomplete  dropped a1/1 b0/1 -b"}, w.told())
		status, err = i.Status(w.Context(), nil)
		require.NoError(w, err)
		require.Len(w, status.Alerts, 1)
		require.False(w, status.Alerts[0].Waiting)
	})
}

func TestAnAlertWaitsForTheBus(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, withAlerts)
		logs := w.logs()
		i, other := w.instance(0), w.instance(0)
		i.post("a", "{}")
		w.bus.set(true)
		w.ran += 11 * time.Minute
		for range 20 {
			w.ran += 30 * time.Second
			w.tick(i, other)
		}
		require.Empty(w, w.told())
		tries := len(logs.saying("an alert could not be delivered; it is tried again"))
		require.Greater(w, tries, 2)
		require.Less(w, tries, 12, "it backs off")
		status, err := i.Status(w.Context(), nil)
		require.NoError(w, err)
		require.Equal(w, "topic: away", status.Alerts[0].LastError)
		w.bus.set(false)
		w.ran += 6 * time.Minute
		w.tick(other, i)
		w.pass(time.Hour, i, other)
		require.Len(w, w.told(), 1)
	})
}

// A process that dies between the delivery and the record of it sends the alert again,
// under the same id.
func TestAnAlertThatIsSentTwiceHasOneID(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, withAlerts)
		docs := &brokenDocs{Docs: w.docs}
		w.docs = docs
		i, other := w.instance(0), w.instance(0)
		i.post("a", "{}")
		w.bus.hold = func() { docs.broken = true }
		w.ran += 11 * time.Minute
		w.tick(i)
		require.Len(w, w.told(), 1)
		w.bus.hold, docs.broken = nil, false
		w.tick(other)
		require.Len(w, w.told(), 1, "the lease of the first attempt lasts")
		w.ran += 2 * time.Minute
		w.tick(other, i)
		list := w.alerts()
		require.Len(w, list, 2)
		require.Equal(w, list[0], list[1])
	})
}

func TestEventsThatExpireAreAlerted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		m := new(metertest.Recorder)
		w.meter = meter.New(m)
		w.configured(`"observationPeriod":600`, `{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b"}`, withAlerts)
		i, other := w.instance(0), w.instance(0)
		w.pass(time.Hour) // the clocks are settled by then
		oldest := w.truth()
		i.send("a", "")
		w.ran += time.Second
		i.send("a", "")
		w.ran += period + 2*time.Minute
		i.send("a", "")
		var both sync.WaitGroup
		for _, one := range []*instance{i, other} {
			both.Go(func() { _, _ = one.Sweep(context.Background()) })
		}
		both.Wait()
		w.pass(5*time.Minute, i, other)
		total := 0
		for _, a := range w.alerts() {
			require.Len(w, a.Endpoints, 1)
			require.Equal(w, []int{1, 3}, []int{a.Endpoints[0].Have, a.Endpoints[0].Need})
			require.Equal(w, oldest, *a.Endpoints[0].Oldest)
			total += a.Endpoints[0].Expired
		}
		require.Equal(w, 2, total, "%v", w.told())
		require.EqualValues(w, len(w.alerts()), m.Sum(meter.Alerts, w.cfg.ServiceName, "expired"))
	})
}

func TestEventsOfAKeyThatExpireAreAlerted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`+withAlerts)
		i := w.instance(0)
		w.pass(time.Hour)
		i.post("a", order(1))
		i.post("b", order(2))
		i.post("b", order(2))
		w.pass(15*time.Minute, i)
		got := w.told()
		slices.Sort(got)
		require.Equal(w, []string{"expired 1  a1/1(1) b0/1 -b", "expired 2  a0/1 b2/1(2) -a"}, got)
	})
}

// Events that expire are many at times: their alerts share commits.
func TestManyAlertsAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`+withAlerts)
		i := w.instance(0)
		w.pass(time.Hour)
		const keys = 110 // more than a commit and a page have
		for n := range keys {
			i.post("a", order(n))
		}
		w.pass(13*time.Minute, i)
		seen := make(map[string]bool)
		for _, a := range w.alerts() {
			require.False(w, seen[a.CorrelationKey])
			seen[a.CorrelationKey] = true
		}
		require.Len(w, seen, keys)
	})
}

// sender is a receiver of alerts that takes them, or fails.
type sender struct {
	mu  sync.Mutex
	err error
	got []string // ids
}

func (s *sender) Send(_ context.Context, m target.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Attributes["ce-type"] != alert.Type {
		return errors.New("not an alert")
	}
	if !target.Final(s.err) && s.err != nil {
		return s.err
	}
	s.got = append(s.got, m.ID)
	return s.err
}

// Each alert goes to every receiver; one that fails does not keep it from the others.
func TestReceiversAreIndependent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, `,"alerts":{"topic":"`+alertTopic+`",
			"http":[{"url":"https://a.example/lame?token=hidden"},{"url":"https://a.example/fine"},{"url":"https://a.example/gone"}]}`)
		lame, fine, gone := &sender{err: errors.New("no answer")}, &sender{}, &sender{err: &target.Failure{Message: "gone", Final: true}}
		w.senders = []target.Sender{lame, fine, gone}
		logs := w.logs()
		i := w.instance(0)
		i.post("a", "{}")
		w.ran += 11 * time.Minute
		w.tick(i)
		require.Len(w, w.told(), 1)
		require.Len(w, fine.got, 1)
		i.restart()
		w.ran += 6 * time.Minute
		w.tick(i)
		require.Empty(w, lame.got)
		lame.err = nil
		w.ran += 6 * time.Minute
		w.tick(i)
		id := []string{w.alerts()[0].ID}
		require.Equal(w, [][]string{id, id, id}, [][]string{lame.got, fine.got, gone.got})
		require.Len(w, w.told(), 1)
		require.Len(w, logs.saying("an alert cannot be delivered; it is given up"), 1)
		require.NotContains(w, logs.lines.String(), "hidden")
	})
}

// A service without alerts stores none, and asks for none.
func TestWithoutAlertsNothingIsStored(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, "")
		docs := &countingDocs{Docs: w.docs}
		w.docs = docs
		i := w.instance(0)
		i.post("a", "{}")
		w.ran += 11 * time.Minute
		w.tick(i)
		require.Zero(w, docs.calls)
		claims, err := i.Messages(w.Context(), store.Page{Limit: 10})
		require.NoError(w, err)
		require.Len(w, claims, 1)
	})
}

// countingDocs counts its calls.
type countingDocs struct {
	store.Docs
	mu    sync.Mutex
	calls int
}

func (d *countingDocs) count() { d.mu.Lock(); d.calls++; d.mu.Unlock() }

func (d *countingDocs) Get(ctx context.Context, c store.Collection, ids []string) ([]*store.Doc, error) {
	d.count()
	return d.Docs.Get(ctx, c, ids)
}

func (d *countingDocs) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	d.count()
	return d.Docs.Commit(ctx, writes)
}

func (d *countingDocs) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	d.count()
	return d.Docs.List(ctx, l)
}
