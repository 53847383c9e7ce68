package outgoing_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// A target waits no longer than its back-off, or than the lease of a process that died,
// even if the clock is set back.
func TestAClockSetBackHoldsUpNoTarget(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		w.register(r, "l")
		r.answer(500)
		w.receive("l", "", tasks)
		require.Zero(t, w.sweep(w.svc))
		require.Len(t, r.calls(), 1)
		r.answer(200)
		require.Zero(t, w.sweep(w.svc), "the target backs off")
		require.Len(t, r.calls(), 1)

		w.wait(-time.Hour)
		require.Equal(t, 1, w.sweep(w.service(nil)), "another process, whose clock never jumped")

		w.receive("l", "", tasks)
		w.lease(w.now().Add(10 * 24 * time.Hour))
		require.Equal(t, 1, w.sweep(w.service(nil)))
		w.receive("l", "", tasks)
		w.lease(w.now().Add(30 * time.Second))
		require.Zero(t, w.sweep(w.service(nil)), "a lease of a possible time is respected")
	})
}

// Targets that wait for an impossible time are found, however many targets are due before.
func TestAnImpossibleWaitIsFoundBehindOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, down := newReceiver(t), newReceiver(t)
	down.answer(500)
	for i := range 150 {
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: down.URL + "/" + strconv.Itoa(i), List: "m"})
		require.NoError(t, err)
	}
	w.receive("m", "", tasks)
	require.Zero(t, w.sweep(w.svc))
	w.register(r, "l")
	w.receive("l", "", tasks)
	w.lease(w.now().Add(400 * 24 * time.Hour))
	require.Equal(t, 1, w.sweep(w.service(nil)))
	require.Len(t, r.calls(), 1)
}

// lease leases the target of list l to a process that died, until the time given.
func (w *world) lease(until time.Time) {
	w.Helper()
	col := store.Collection{Kind: "webhooks"}
	docs, err := w.store.List(w.Context(), store.Listing{Collection: col, Limit: 1})
	require.NoError(w, err)
	d := docs[0]
	var body map[string]any
	require.NoError(w, json.Unmarshal(d.Body, &body))
	require.Equal(w, "l", body["externalTaskListId"])
	body["leaseUntil"] = until
	d.Body, err = json.Marshal(body)
	require.NoError(w, err)
	d.Order = until.UnixMicro()
	_, err = w.store.Commit(w.Context(), []store.Write{{Collection: col, Doc: d}})
	require.NoError(w, err)
}
