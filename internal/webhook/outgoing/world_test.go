package outgoing_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// world is a store and the processes on it.
type world struct {
	*testing.T
	store store.Docs
	svc   *process
	clock atomic.Int64
	ids   atomic.Int64
	log   slog.Handler
}

func newWorld(t *testing.T) *world {
	return worldOn(t, drivertest.SQLite(t))
}

func worldOn(t *testing.T, docs store.Docs) *world {
	w := &world{T: t, store: docs, log: slog.DiscardHandler}
	w.clock.Store(time.Now().UnixMicro())
	w.svc = w.service(nil)
	return w
}

// onBoth runs a test on SQLite, and on the Firestore emulator if it is there.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	drivertest.Each(t, func(t *testing.T, s drivertest.Store) { test(t, worldOn(t, s)) })
}

func (w *world) now() time.Time { return time.UnixMicro(w.clock.Load()).UTC() }

// tick returns the time, which advances by a microsecond with each call. So the target
// that is registered first is due first, and no lease expires because a machine is slow.
func (w *world) tick() time.Time { return time.UnixMicro(w.clock.Add(1)).UTC() }

func (w *world) wait(d time.Duration) { w.clock.Add(d.Microseconds()) }

// inbound is another name of incoming.Service, so that process can embed both services.
type inbound = incoming.Service

// process has the use cases of one process. Its outgoing service announces the lists that
// its incoming service receives.
type process struct {
	*outgoing.Service
	*inbound
}

// service returns another process on the store. It delivers in Start's loop or in a sweep.
func (w *world) service(change func(*outgoing.Options)) *process {
	out, err := outbound.New(outbound.Options{AllowLoopback: true, Attempts: 1, Timeout: time.Hour}) // outgoing.Options.Patience is shorter
	require.NoError(w, err)
	w.Cleanup(out.Close)
	o := outgoing.Options{
		Docs: w.store, HTTP: out.HTTP(), Log: slog.New(w.log), Now: w.now, PublicURL: "https://headgate.example",
		BackgroundCPU: true,
		Random:        func() string { return fmt.Sprint(w.ids.Add(1)) }, Consents: func(*url.URL) bool { return true },
	}
	if change != nil {
		change(&o)
	}
	o.Docs = store.Coded(o.Docs) // as in a deployment
	s := outgoing.New(o)
	w.Cleanup(func() { require.NoError(w, s.Close(context.Background())) })
	sessions := incoming.NewSessions(incoming.SessionOptions{Docs: o.Docs, Log: o.Log, Now: o.Now})
	in := incoming.New(incoming.Options{
		Docs: o.Docs, Sessions: sessions, Log: o.Log, Now: o.Now,
		Changed: func(ctx context.Context, list string, _ []incoming.Session) { s.Announce(ctx, list) },
	})
	return &process{s, in}
}

// receiver is a target.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	status   int
	header   http.Header
	got      []call
	consents string
	options  int
}

type call struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: 200, header: http.Header{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if req.Method == http.MethodOptions {
			r.options++
			if r.consents != "" {
				w.Header().Set("WebHook-Allowed-Origin", r.consents)
			}
			return
		}
		for k, v := range r.header {
			w.Header()[k] = v
		}
		r.got = append(r.got, call{req.Header.Clone(), body})
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int, header ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.header = status, http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		r.header.Set(header[i], header[i+1])
	}
}

func (r *receiver) calls() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.got...)
}

func (w *world) register(r *receiver, list string) *outgoing.Target {
	w.Helper()
	t, created, err := w.svc.Register(w.Context(), outgoing.Registration{URL: r.URL + "/hook", List: list})
	require.NoError(w, err)
	require.True(w, created)
	return t
}

func (w *world) receive(list, id, data string) bool {
	w.Helper()
	duplicate, err := w.svc.Receive(w.Context(), list, id, json.RawMessage(data))
	require.NoError(w, err)
	return duplicate
}

func (w *world) sweep(s *process) int {
	w.Helper()
	n, err := s.Sweep(w.Context())
	require.NoError(w, err)
	return n
}

func (w *world) targets() []*outgoing.Target {
	w.Helper()
	list, err := w.svc.Targets(w.Context(), "")
	require.NoError(w, err)
	return list
}

const tasks = `{"12":{"name":"Alpha","priority":1}}`

func versionOf(t *testing.T, c call) int {
	t.Helper()
	var m struct{ Version int }
	require.NoError(t, json.Unmarshal(c.body, &m))
	return m.Version
}

// fail is require.NoError for a goroutine that is not the test's own.
func fail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
