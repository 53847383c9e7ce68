package gate_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// subscribed makes the world's gates tell of these types.
func (w *world) subscribed(stored *atomic.Int64, types ...string) {
	w.outbox = &occurrence.Outbox{
		Subscribed: func(_ context.Context, typ, subject string) bool {
			return subject == "s" && slices.Contains(types, typ)
		},
		Stored: func() { stored.Add(1) },
	}
}

// occurrences returns what is in the outbox, in the order of the times.
func (w *world) occurrences() (all []occurrence.Occurrence) {
	w.Helper()
	docs, err := w.docs.List(w.Context(), store.Listing{Collection: occurrence.Collection, ByOrder: true, Limit: 100})
	require.NoError(w, err)
	for _, d := range docs {
		e, err := occurrence.Parse(d)
		require.NoError(w, err)
		all = append(all, e.Occurrence)
	}
	return all
}

// Each message and each alert is told, and nothing else. What is told of a message leads to
// the bytes that its targets get.
func TestMessagesAndAlertsAreTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`)
		var stored atomic.Int64
		w.subscribed(&stored, occurrence.Types...)
		i := w.instance(0)
		i.post("a", order(1))
		i.post("b", order(1)) // complete
		w.ran += time.Second
		i.post("a", order(2))
		key := "2"
		_, err := i.Trigger(w.Context(), &key) // by hand
		require.NoError(w, err)
		i.post("a", order(3)) // incomplete
		i.Idle()
		w.ran += 11 * time.Minute
		w.tick(i)
		all := w.occurrences()
		require.Len(w, all, 3)
		for n, typ := range []string{occurrence.Message, occurrence.MessageManual, occurrence.Alert} {
			require.Equal(w, typ, all[n].Type)
			require.Equal(w, "/services/s", all[n].Source)
			require.Equal(w, "s", all[n].Subject)
		}
		require.EqualValues(w, 3, stored.Load())
		require.Equal(w, w.bus.ids(), []string{all[0].ID, all[1].ID}, "the ids are those of the messages")
		for n := range 2 {
			data, done, err := i.Message(w.Context(), all[n].EventID)
			require.NoError(w, err)
			done()
			require.JSONEq(w, string(w.bus.sent[n].Data), string(data))
			require.Equal(w, w.bus.sent[n].Attributes["ce-type"], all[n].Type)
		}
		var a alert.Alert
		require.NoError(w, json.Unmarshal(all[2].Data, &a))
		require.Equal(w, []string{all[2].ID, "3", "dropped"}, []string{a.ID, a.CorrelationKey, a.Completion})
		_, _, err = i.Message(w.Context(), "no such message")
		require.Equal(w, fault.NotFound, fault.CodeOf(err))
	})
}

// Nothing is written of what nobody subscribes to.
func TestOnlyWhatIsWantedIsTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, "")
		var stored atomic.Int64
		w.subscribed(&stored, occurrence.Alert)
		i := w.instance(0)
		i.post("a", "{}")
		i.post("b", "{}")
		i.Idle()
		require.Len(w, w.bus.ids(), 1)
		require.Empty(w, w.occurrences())
		i.post("a", "{}")
		w.ran += 11 * time.Minute
		w.tick(i)
		require.Len(w, w.occurrences(), 1)
		require.Empty(w, w.told(), "the service sends no alerts by itself")
	})
}

// A subscriber gets the alerts of a service that has only expectations. They do not appear
// among those that the service keeps, as they would not without the subscriber.
func TestSubscribersChangeNoKeptAlerts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, everyHour)
		var stored atomic.Int64
		w.subscribed(&stored, occurrence.Alert)
		i := w.instance(0)
		i.post("a", "{}")
		w.ran += 11 * time.Minute
		w.tick(i)
		all := w.occurrences()
		require.Len(w, all, 1)
		var a alert.Alert
		require.NoError(w, json.Unmarshal(all[0].Data, &a))
		require.Equal(w, "dropped", a.Completion)
		status, err := i.Status(w.Context(), nil)
		require.NoError(w, err)
		require.Empty(w, status.Alerts)
	})
}

// A message is told exactly if it is claimed, whichever of several processes claims it, and
// also if the one that did can do no more.
func TestAMessageIsToldExactlyIfItIsClaimed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, twoEndpoints, "")
		var stored atomic.Int64
		w.subscribed(&stored, occurrence.Message)
		w.bus.set(true) // a claim is all that a process achieves
		instances := []*instance{w.instance(0), w.instance(0), w.instance(0)}
		const rounds = 3
		for range rounds {
			instances[0].post("a", "{}")
			var all sync.WaitGroup
			for _, i := range instances {
				all.Go(func() {
					if i == instances[1] {
						i.post("b", "{}")
					}
					_, _ = i.Check(context.Background(), nil)
				})
			}
			all.Wait()
			for _, i := range instances {
				i.Idle()
			}
		}
		claims, err := instances[0].Messages(w.Context(), store.Page{Limit: 100})
		require.NoError(w, err)
		require.NotEmpty(w, claims)
		var claimed, told []string
		for _, c := range claims {
			claimed = append(claimed, c.EventID)
		}
		for _, o := range w.occurrences() {
			told = append(told, o.EventID)
		}
		require.ElementsMatch(w, claimed, told)
		require.Empty(w, w.bus.ids())
	})
}

// A claim in parts is told when it is whole, and once.
func TestAMessageInPartsIsTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, twoEndpoints, "")
		var stored atomic.Int64
		w.subscribed(&stored, occurrence.Message)
		w.store.Store = &killedStore{Store: w.store.Store, max: 4, left: -1, now: w.truth}
		i := w.instance(0)
		for range 11 {
			i.post("a", `{"x":"`+event.RandomID()+`"}`)
		}
		i.post("b", "{}")
		i.Idle()
		all := w.occurrences()
		require.Len(w, all, 1)
		require.Equal(w, w.bus.ids(), []string{all[0].ID})
		data, done, err := i.Message(w.Context(), all[0].EventID)
		require.NoError(w, err)
		done()
		require.JSONEq(w, string(w.bus.sent[0].Data), string(data))
		require.Contains(w, string(data), "contentURL", "a claim check, as its targets get it")
	})
}
