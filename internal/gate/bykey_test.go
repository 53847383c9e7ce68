package gate_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/store"
)

// configured makes the world's service one with these further fields.
func (w *world) configured(trigger, endpoints, more string) {
	cfg, err := config.Parse(fmt.Appendf(nil, `{"serviceName":"s","retentionDays":1,"trigger":{"type":"window",%s},
		"endpoints":[%s],"targetPubSub":{"topic":"%s"}%s}`, trigger, endpoints, topic, more))
	require.NoError(w, err)
	w.cfg = cfg.Services[0]
}

const twoEndpoints = `{"eventKey":"a"},{"eventKey":"b"}`

// post sends an event with a JSON body.
func (i *instance) post(key, body string) gate.Ingested {
	out, err := i.Ingest(i.w.Context(), gate.Incoming{EventKey: key, Content: []byte(body), Meta: event.Meta{Method: "POST"}})
	require.NoError(i.w, err)
	require.NoError(i.w, out.Receipts[0].Err)
	return out
}

func order(id any) string { b, _ := json.Marshal(map[string]any{"order": id}); return string(b) }

// published returns the messages that went out, in short: correlation key, completion and events.
func (w *world) published() (list []string) {
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	for _, m := range w.bus.sent {
		var body struct {
			CorrelationKey string
			Completion     string
			Missing        []struct{ EventKey string }
			Events         map[string]struct{ NumberOfEvents int }
		}
		require.NoError(w, json.Unmarshal(m.Data, &body))
		line := body.CorrelationKey + " " + body.Completion
		for _, key := range []string{"a", "b"} {
			line += fmt.Sprintf(" %s%d", key, body.Events[key].NumberOfEvents)
		}
		for _, m := range body.Missing {
			line += " -" + m.EventKey
		}
		list = append(list, line)
	}
	return list
}

// completions returns the claims by completion.
func (i *instance) completions() map[store.Completion]int {
	infos, err := i.Messages(i.w.Context(), store.Page{Limit: 1000})
	require.NoError(i.w, err)
	count := map[store.Completion]int{}
	for _, info := range infos {
		require.NotNil(i.w, info.Window)
		count[info.Window.Completion]++
	}
	return count
}

func TestEachKeyHasItsOwnWindow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`)
		i := w.instance(0)
		for n := range 5 {
			require.Empty(w, i.post("a", order(n)).Triggered)
		}
		for n := range 5 {
			require.NotEmpty(w, i.post("b", order(n)).Triggered, "order %d", n)
		}
		require.Empty(w, i.post("b", order(0)).Triggered)
		got := w.published()
		slices.Sort(got)
		require.Equal(w, []string{"0 complete a1 b1", "1 complete a1 b1", "2 complete a1 b1", "3 complete a1 b1", "4 complete a1 b1"}, got)
		require.Equal(w, "3", w.bus.sent[3].Attributes["correlationKey"])

		key := "0"
		s, err := i.Status(w.Context(), &key)
		require.NoError(w, err)
		require.Equal(w, 1, s.Endpoints[1].Have)
		require.Len(w, s.Missing, 1)
		_, err = i.Trigger(w.Context(), nil)
		require.ErrorContains(w, err, "key is required")
		tr, err := i.Trigger(w.Context(), &key)
		require.NoError(w, err)
		require.Equal(w, 1, tr.NumberOfEvents)
		require.Equal(w, "0 manual a0 b1 -a", w.published()[5])
	})
}

func TestAnEventWithoutAKeyIsRefused(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`)
		i := w.instance(0)
		for _, body := range []string{``, `{}`, `{"order":""}`, `{"order":[1]}`, order(strings.Repeat("k", 1001))} {
			out, err := i.Ingest(w.Context(), gate.Incoming{EventKey: "a", Content: []byte(body)}, gate.Incoming{EventKey: "a", Content: []byte(order(7))})
			require.NoError(w, err)
			require.ErrorContains(w, out.Receipts[0].Err, "correlation.key", body)
			require.NoError(w, out.Receipts[1].Err, "its neighbour is stored")
		}
		waiting, err := i.Pending(w.Context(), nil, 10)
		require.NoError(w, err)
		require.Len(w, waiting[0].Events, 5)
	})
}

func TestAnchoredWindowsClose(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]struct {
		completion store.Completion
		message    []string
		topic      string
	}{
		"drop": {store.Expired, nil, ""}, "partial": {store.Partial, []string{"7 partial a2 b0 -b"}, topic},
		"deadLetter": {store.DeadLettered, []string{"7 deadLetter a2 b0 -b"}, "projects/p-1/topics/dead"},
	} {
		onBoth(t, func(w *world) {
			w.configured(`"window":"anchored","observationPeriod":600,"onClose":"`+policy+`"`, twoEndpoints,
				`,"correlation":{"key":"event.body.order"},"deadLetter":{"topic":"projects/p-1/topics/dead"}`)
			i, other := w.instance(0), w.instance(0)
			i.post("a", order(7))
			w.ran += 9 * time.Minute
			other.post("a", order(7))
			require.NoError(w, i.CloseDue(w.Context()))
			require.Empty(w, i.completions())
			w.ran += time.Minute
			i.post("b", order(8)) // of another key
			require.NoError(w, i.CloseDue(w.Context()))
			require.NoError(w, other.CloseDue(w.Context()))
			w.settle(i)
			require.Equal(w, map[store.Completion]int{want.completion: 1}, i.completions())
			require.Equal(w, want.message, w.published())
			i.post("b", order(7)) // belongs to the next window
			require.Equal(w, want.message, w.published())
		})
	}
}

// An event received after a window closed is in the next one, even if nobody has looked at
// the closed one yet.
func TestALateLookClosesWhatAPunctualOneWould(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600,"onClose":"partial"`, twoEndpoints, "")
		i := w.instance(0)
		i.post("a", "{}")
		w.ran += 11 * time.Minute
		i.post("b", "{}")
		w.settle(i)
		require.Equal(w, []string{" partial a1 b0 -b"}, w.published())
		i.post("a", "{}")
		require.Equal(w, " complete a1 b1", w.published()[1])
	})
}

func TestSessionsCloseAfterAPause(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"session","observationPeriod":60,"release":"close","onClose":"partial"`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`)
		i := w.instance(0)
		for range 5 {
			i.post("a", order(1))
			i.post("b", order(1))
			w.ran += 50 * time.Second
		}
		require.NoError(w, i.CloseDue(w.Context()))
		require.Empty(w, w.published())
		w.ran += 20 * time.Second
		require.NoError(w, i.CloseDue(w.Context()))
		w.settle(i)
		require.Equal(w, []string{"1 complete a5 b5"}, w.published())
	})
}

func TestTumblingWindowsGoByTheEventsTime(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.began = time.Date(2026, 5, 4, 12, 30, 0, 0, time.UTC)
		w.configured(`"window":"tumbling","every":"hour","grace":600,"eventTime":"event.body.at","onClose":"partial"`, twoEndpoints, "")
		i := w.instance(0)
		at := func(s string) string { return `{"at":"2026-05-04T` + s + `Z"}` }
		i.post("a", at("12:10:00"))
		w.ran += 35 * time.Minute // 13:05, within the grace
		i.post("a", at("13:02:00"))
		require.NotEmpty(w, i.post("b", at("12:59:59")).Triggered)
		require.Equal(w, []string{" complete a1 b1"}, w.published())
		w.ran += 10 * time.Minute // 13:15
		i.post("b", at("12:59:59"))
		w.settle(i)
		require.Equal(w, []string{" complete a1 b1", " complete a1 b1"}, w.published(), "a late event counts for the open window")
		i.post("a", at("13:20:00"))
		w.ran += time.Hour
		require.NoError(w, i.CloseDue(w.Context()))
		w.settle(i)
		require.Equal(w, " partial a1 b0 -b", w.published()[2])
	})
}

func TestDistinctEventsCountOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, `{"eventKey":"a","minNbOfOccurrence":2,"distinct":"event.body.name"},{"eventKey":"b"}`, "")
		i := w.instance(0)
		i.post("b", "{}")
		i.post("a", `{"name":"x"}`)
		w.ran += time.Minute
		require.Empty(w, i.post("a", `{"name":"x"}`).Triggered)
		require.NotEmpty(w, i.post("a", `{"name":"y"}`).Triggered)
		require.Equal(w, []string{" complete a2 b1"}, w.published())
		i.post("a", `{"name":"z"}`)
		w.ran += 10 * time.Minute // the window of z is closed, and nobody has looked
		i.post("a", `{"name":"z"}`)
		require.Equal(w, map[store.Completion]int{store.Complete: 1, store.Expired: 1}, i.completions())
	})
}

func TestOptionalEndpointsBoundsAndFilters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, `{"eventKey":"a","maxNbOfOccurrence":2,"filter":"event.body.ok","id":"event.body.id"},{"eventKey":"b","optional":true}`, "")
		i := w.instance(0)
		out := i.post("a", `{"ok":false}`)
		require.Equal(w, gate.Filtered, out.Receipts[0].Left)
		i.post("b", `{}`)
		require.NotEmpty(w, i.post("a", `{"ok":true,"id":1}`).Triggered)
		require.Equal(w, []string{" complete a1 b1"}, w.published())
		require.True(w, i.post("a", `{"ok":true,"id":1}`).Receipts[0].Duplicate)
		_, err := i.Ingest(w.Context(), gate.Incoming{EventKey: "a", Content: []byte("no JSON")})
		require.NoError(w, err)
	})
}

func TestOpenWindowsOldestFirst(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`)
		i := w.instance(0)
		for n := range 7 {
			i.post([]string{"a", "b"}[n%2], order(n))
			i.post([]string{"a", "b"}[n%2], order(n))
			w.ran += time.Second
		}
		var keys []string
		page := gate.WindowPage{Limit: 3}
		for {
			list, next, err := i.OpenWindows(w.Context(), page)
			require.NoError(w, err)
			for n, o := range list {
				keys = append(keys, o.Key)
				require.Equal(w, 2, slices.Max(o.Have))
				require.Len(w, o.Missing, 1)
				require.False(w, list[n].Closing)
			}
			if next == nil {
				break
			}
			page.After = next
		}
		require.Equal(w, []string{"0", "1", "2", "3", "4", "5", "6"}, keys)
		w.ran += 10*time.Minute - 5*time.Second
		closing := true
		list, _, err := i.OpenWindows(w.Context(), gate.WindowPage{Closing: &closing, Limit: 10})
		require.NoError(w, err)
		require.Len(w, list, 3)
		list, next, err := i.OpenWindows(w.Context(), gate.WindowPage{Closing: &closing, Limit: 3})
		require.NoError(w, err)
		require.Len(w, list, 3)
		require.Nil(w, next, "windows follow, but none that is closing")
		n, err := i.Reset(w.Context(), "a", nil)
		require.NoError(w, err)
		require.Equal(w, 8, n)
	})
}

// A filter that hardly any window meets does not read all of them for one page.
func TestAPageOfWindowsIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configured(`"window":"anchored","observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`)
	i := w.instance(0)
	for n := range 3 {
		batch := make([]gate.Incoming, 1000)
		for k := range batch {
			batch[k] = gate.Incoming{EventKey: "a", Content: []byte(order(1000*n + k)), Meta: event.Meta{Method: "POST"}}
		}
		_, err := i.Ingest(t.Context(), batch...)
		require.NoError(t, err)
		w.ran += time.Second
	}
	w.ran += 10*time.Minute - 3*time.Second // the first thousand are over
	closing, pages, sizes := false, 0, 0
	for page := (gate.WindowPage{Closing: &closing, Limit: 100}); ; pages++ {
		list, next, err := i.OpenWindows(t.Context(), page)
		require.NoError(t, err)
		require.LessOrEqual(t, len(list), 100)
		if sizes += len(list); next == nil {
			break
		}
		page.After = next
	}
	require.Equal(t, 2000, sizes)
	require.GreaterOrEqual(t, pages, 19)
	closing = true
	list, next, err := i.OpenWindows(t.Context(), gate.WindowPage{Closing: &closing, Limit: 1, After: &store.Cursor{Date: w.truth().Add(-10*time.Minute + time.Second), ID: strings.Repeat("0", 32)}})
	require.NoError(t, err)
	require.Empty(t, list)
	require.NotNil(t, next, "others may follow")
}

func TestAScheduledResetEmptiesTheWindow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.began = time.Date(2026, 5, 4, 3, 55, 0, 0, time.UTC)
		w.configured(`"observationPeriod":600`, twoEndpoints, `,"reset":[{"cron":"0 4 * * *"}]`)
		i := w.instance(0)
		i.post("a", "{}")
		w.ran += 6 * time.Minute
		require.Empty(w, i.post("b", "{}").Triggered)
		require.NotEmpty(w, i.post("a", "{}").Triggered)
		require.Equal(w, []string{" complete a1 b1"}, w.published())
	})
}

// settle waits until every claim of the instance is published or left to the sweep.
func (w *world) settle(i *instance) {
	require.NoError(w, i.Close(w.Context()))
	i.Gate = nil
	i.restart()
}

// An instance died between the commit of an event and the check. Nobody looks at the key
// again, so the sweep releases the window when its first event would leave it.
func TestACheckThatNeverRanIsMadeUpFor(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.configured(`"observationPeriod":600`, twoEndpoints, `,"correlation":{"key":"event.body.order"}`)
		i := w.instance(0)
		i.post("a", order(1))
		w.ran += time.Minute
		b := store.Append{
			Event:    event.Event{ID: event.RandomID(), Key: "b", ReceivedAt: w.truth().UTC(), Content: []byte(order(1))},
			Endpoint: store.Endpoint{Service: "s", Key: "b"}, Attempt: "x", ExpireAt: w.truth().Add(100 * time.Hour),
			Place: &store.Place{Key: "1", At: w.truth().UTC()},
		}
		require.NoError(w, w.store.Append(w.Context(), []store.Append{b})[0].Err)
		w.ran += time.Hour // the clock is settled by now
		_, err := i.Sweep(w.Context())
		require.NoError(w, err)
		w.settle(i)
		require.Equal(w, []string{"1 complete a1 b1"}, w.published())
		require.Empty(w, i.waitingKeys())
	})
}

func (i *instance) waitingKeys() (keys []string) {
	list, err := i.Pending(i.w.Context(), nil, 100)
	require.NoError(i.w, err)
	for _, w := range list {
		keys = append(keys, w.Keys...)
	}
	return keys
}
