package outgoing_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// stored returns how many deliveries the store has of the target.
func (w *world) stored(target string) int {
	w.Helper()
	n, err := w.store.CountDocs(w.Context(), store.Collection{Kind: "deliveries", Scope: target}, 10_000)
	require.NoError(w, err)
	return n
}

// The number of waiting deliveries does not grow with the changes of the list, whether the
// target fails or is paused. When the target works again, it gets the newest version.
func TestWhatWaitsIsBounded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		target := w.register(r, "l")
		r.answer(500)
		for range 20 {
			w.receive("l", "", tasks)
			w.sweep(w.svc)
			w.wait(30 * time.Hour)
		}
		require.Equal(t, 1, w.stored(target.ID))
		x := w.targets()[0]
		require.Equal(t, outgoing.Paused, x.State)
		require.EqualValues(t, 19, x.Replaced)
		_, list, err := w.svc.Deliveries(t.Context(), target.ID, 10)
		require.NoError(t, err)
		require.EqualValues(t, 20, list[0].Version)
		require.EqualValues(t, 19, list[0].Replaced)
		r.answer(200)
		before := r.calls()
		require.NoError(t, w.svc.Retry(t.Context(), target.ID, 1))
		require.Equal(t, 1, w.sweep(w.svc))
		calls := r.calls()
		require.Equal(t, 20, versionOf(t, calls[len(calls)-1]))
		require.NotEqual(t, before[len(before)-1].header.Get("webhook-id"), calls[len(calls)-1].header.Get("webhook-id"), "another version is another delivery")
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		require.Zero(t, w.targets()[0].Replaced)
	})
}

// The delivery under way is not replaced. A version that arrives meanwhile is one more.
func TestTheDeliveryUnderWayIsNotReplaced(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		h := newHook(t, func(*http.Request) { fail(t, receiveTwice(w)) })
		target, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: h.URL, List: "l"})
		require.NoError(t, err)
		w.receive("l", "", tasks)
		require.Equal(t, 2, w.sweep(w.svc))
		_, list, err := w.svc.Deliveries(t.Context(), target.ID, 10)
		require.NoError(t, err)
		require.Equal(t, []int64{3, 1}, []int64{list[0].Version, list[1].Version})
		require.Equal(t, []string{outgoing.Delivered, outgoing.Delivered}, []string{list[0].State, list[1].State})
	})
}

// A sender that is slower than its lease, and whose version was replaced meanwhile, does
// not mark the newer version as delivered.
func TestASlowSenderDoesNotLoseTheNewestVersion(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		h := newHook(t, func(*http.Request) {
			w.wait(time.Minute)
			_, err := w.svc.Receive(w.Context(), "l", "", []byte(tasks))
			fail(t, err)
		})
		target, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: h.URL, List: "l"})
		require.NoError(t, err)
		w.receive("l", "", tasks)
		w.sweep(w.svc)
		w.wait(time.Minute)
		w.sweep(w.svc)
		calls := h.called()
		require.Len(t, calls, 2)
		require.NotEqual(t, calls[0], calls[1])
		_, list, err := w.svc.Deliveries(t.Context(), target.ID, 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.EqualValues(t, 2, list[0].Version)
		require.Equal(t, outgoing.Delivered, list[0].State)
	})
}

// The number of finished deliveries is bounded as well.
func TestWhatWasDeliveredIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	target := w.register(r, "l")
	for range outgoing.KeptDeliveries + 20 {
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
	}
	require.Equal(t, outgoing.KeptDeliveries, w.stored(target.ID))
	require.Zero(t, w.targets()[0].Dropped)
	require.Equal(t, fault.NotFound, fault.CodeOf(w.svc.Retry(t.Context(), target.ID, 20)))
	require.NoError(t, w.svc.Retry(t.Context(), target.ID, 21))
	require.Equal(t, 1, w.sweep(w.svc))
}

// Retries cannot make more deliveries wait than are kept.
func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	target := w.register(r, "l")
	w.receive("l", "", tasks)
	require.Equal(t, 1, w.sweep(w.svc))
	r.answer(500)
	var err error
	for n := 0; err == nil; n++ {
		require.LessOrEqual(t, n, outgoing.KeptDeliveries)
		err = w.svc.Retry(t.Context(), target.ID, 1)
	}
	require.Contains(t, []fault.Code{fault.Conflict, fault.NotFound}, fault.CodeOf(err), "%v", err)
	w.receive("l", "", tasks)
	w.receive("l", "", tasks)
	require.LessOrEqual(t, w.stored(target.ID), outgoing.KeptDeliveries)
	r.answer(200)
	w.wait(time.Hour)
	w.sweep(w.svc)
	calls := r.calls()
	require.Equal(t, 3, versionOf(t, calls[len(calls)-1]))
}

// Deliveries that waited under an earlier release are dropped down to the bound, oldest
// first. The target has their number, and the log mentions them once.
func TestTooManyThatWaitAreDropped(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		var log bytes.Buffer
		s := w.service(func(o *outgoing.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		r := newReceiver(t)
		target := w.register(r, "l")
		r.answer(500)
		w.receive("l", "", tasks)
		const backlog = 250
		w.waiting(target.ID, backlog)
		for range 6 { // each drops a part
			_, err := s.Receive(t.Context(), "l", "", []byte(tasks))
			require.NoError(t, err)
		}
		x := w.targets()[0]
		require.LessOrEqual(t, x.Waiting(), int64(outgoing.KeptDeliveries))
		require.Positive(t, x.Dropped)
		require.LessOrEqual(t, w.stored(target.ID), outgoing.KeptDeliveries)
		require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("dropped: more wait than can be kept")), log.String())
		r.answer(200)
		w.wait(48 * time.Hour)
		w.sweep(w.svc)
		calls := r.calls()
		require.Equal(t, 7, versionOf(t, calls[len(calls)-1]))
		require.Zero(t, w.targets()[0].Waiting())
	})
}

// waiting makes n deliveries of the target wait, as an earlier release could.
func (w *world) waiting(target string, n int) {
	w.Helper()
	_, list, err := w.svc.Deliveries(w.Context(), target, 1)
	require.NoError(w, err)
	for i := 2; i <= n; i++ {
		d := *list[0]
		d.N = int64(i)
		body, err := json.Marshal(d)
		require.NoError(w, err)
		_, err = w.store.Commit(w.Context(), []store.Write{{
			Collection: store.Collection{Kind: "deliveries", Scope: target}, Doc: store.Doc{ID: fmt.Sprintf("%012d", i), Body: body}, Any: true,
		}})
		require.NoError(w, err)
	}
	w.target(func(body map[string]any) {
		body["next"] = n + 1
		delete(body, "newest")
	})
}

func (w *world) target(change func(map[string]any)) {
	w.Helper()
	col := store.Collection{Kind: "webhooks"}
	docs, err := w.store.List(w.Context(), store.Listing{Collection: col, Limit: 1})
	require.NoError(w, err)
	d := docs[0]
	body := map[string]any{}
	require.NoError(w, json.Unmarshal(d.Body, &body))
	change(body)
	d.Body, err = json.Marshal(body)
	require.NoError(w, err)
	_, err = w.store.Commit(w.Context(), []store.Write{{Collection: col, Doc: d}})
	require.NoError(w, err)
}
