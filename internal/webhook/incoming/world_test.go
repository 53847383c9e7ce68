package incoming_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// world is a store and the processes on it.
type world struct {
	*testing.T
	store store.Docs
	svc   *process
	clock atomic.Int64
}

// process is one process's use cases.
type process struct {
	*incoming.Service
	*incoming.Sessions
}

// options change the dependencies of a process.
type options struct {
	incoming.SessionOptions
	changed func(ctx context.Context, list string, sessions []incoming.Session)
	outbox  *occurrence.Outbox
}

func newWorld(t *testing.T) *world {
	return worldOn(t, drivertest.SQLite(t))
}

func worldOn(t *testing.T, docs store.Docs) *world {
	w := &world{T: t, store: docs}
	w.clock.Store(time.Now().UnixMicro())
	w.svc = w.service(nil)
	return w
}

// onBoth runs a test on SQLite, and on the Firestore emulator if it is there.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	drivertest.Each(t, func(t *testing.T, s drivertest.Store) { test(t, worldOn(t, s)) })
}

func (w *world) now() time.Time { return time.UnixMicro(w.clock.Load()).UTC() }

func (w *world) wait(d time.Duration) { w.clock.Add(d.Microseconds()) }

// service returns another process on the store.
func (w *world) service(change func(*options)) *process {
	out, err := outbound.New(outbound.Options{AllowLoopback: true, Attempts: 1, Timeout: time.Hour})
	require.NoError(w, err)
	w.Cleanup(out.Close)
	o := options{SessionOptions: incoming.SessionOptions{
		Docs: w.store, HTTP: out.HTTP(), Log: slog.New(slog.DiscardHandler), Now: w.now, PublicURL: "https://headgate.example",
	}}
	if change != nil {
		change(&o)
	}
	o.Docs = store.Coded(o.Docs) // as in a deployment
	sessions := incoming.NewSessions(o.SessionOptions)
	return &process{incoming.New(incoming.Options{Docs: o.Docs, Sessions: sessions, Log: o.Log, Now: o.Now, Changed: o.changed, Outbox: o.outbox}), sessions}
}

func (w *world) receive(list, id, data string) bool {
	w.Helper()
	duplicate, err := w.svc.Receive(w.Context(), list, id, json.RawMessage(data))
	require.NoError(w, err)
	return duplicate
}

// fail reports a failure from a goroutine, which must not end the test itself.
func fail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

const tasks = `{"12":{"name":"Alpha","priority":1}}`
