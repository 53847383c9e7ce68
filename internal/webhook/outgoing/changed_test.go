package outgoing_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// Whoever shows the registered URLs and their deliveries hears of every change of them.
func TestChangesAreAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var changes atomic.Int64
	w.svc = w.service(func(o *outgoing.Options) { o.Changed = func() { changes.Add(1) } })
	heard := func(what string) {
		t.Helper()
		require.Positive(t, changes.Swap(0), what)
	}
	r := newReceiver(t)
	target := w.register(r, "l")
	heard("registered")
	w.receive("l", "", tasks)
	heard("a delivery waits")
	r.answer(500)
	w.sweep(w.svc)
	heard("a delivery failed")
	r.answer(200)
	require.NoError(t, w.svc.Retry(t.Context(), target.ID, 1))
	heard("it is to be tried again")
	w.sweep(w.svc)
	heard("it was made")
	_, err := w.svc.Rotate(t.Context(), target.ID, "")
	require.NoError(t, err)
	heard("the secret was rotated")
	r.answer(410)
	w.receive("l", "", tasks)
	changes.Store(0)
	w.sweep(w.svc)
	heard("the URL is gone")
	w.register(r, "l")
	changes.Store(0)
	_, err = w.svc.Unregister(t.Context(), outgoing.Registration{URL: r.URL + "/hook", List: "l"})
	require.NoError(t, err)
	heard("unregistered")
}
