package echo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/firestorestore"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/webhook/echo"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// world is a store and the processes on it.
type world struct {
	*testing.T
	store store.Docs
	svc   *echo.Service
	clock atomic.Int64
	ids   atomic.Int64
}

func newWorld(t *testing.T) *world {
	st, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return worldOn(t, st)
}

func worldOn(t *testing.T, docs store.Docs) *world {
	w := &world{T: t, store: docs}
	w.clock.Store(time.Now().UnixMicro())
	w.svc = w.service(nil)
	return w
}

// onBoth runs a test on SQLite, and on the Firestore emulator if it is there.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, newWorld(t)) })
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		_, project := emulator.Firestore(t)
		st, err := firestorestore.Open(context.Background(), firestorestore.Options{Project: project})
		require.NoError(t, err)
		t.Cleanup(func() { _ = st.Close() })
		test(t, worldOn(t, st))
	})
}

func (w *world) now() time.Time { return time.UnixMicro(w.clock.Load()).UTC() }

// tick returns the time, which passes by a microsecond from one call to the next: what
// is registered first is due first, and no lease ends, however slow the machine is.
func (w *world) tick() time.Time { return time.UnixMicro(w.clock.Add(1)).UTC() }

func (w *world) wait(d time.Duration) { w.clock.Add(d.Microseconds()) }

// service is a process's. It delivers when it is told to.
func (w *world) service(change func(*echo.Options)) *echo.Service {
	out, err := outbound.New(outbound.Options{AllowLoopback: true, Attempts: 1, Timeout: time.Hour}) // echo.Options.Patience is shorter
	require.NoError(w, err)
	w.Cleanup(out.Close)
	o := echo.Options{
		Docs: w.store, HTTP: out.HTTP(), Log: slog.New(slog.DiscardHandler), Now: w.now, PublicURL: "https://headgate.example",
		Random: func() string { return fmt.Sprint(w.ids.Add(1)) }, Consents: func(*url.URL) bool { return true },
	}
	if change != nil {
		change(&o)
	}
	s := echo.New(o)
	w.Cleanup(func() { require.NoError(w, s.Close(context.Background())) })
	return s
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

func (w *world) register(r *receiver, list string) *echo.Target {
	w.Helper()
	t, created, err := w.svc.Register(w.Context(), echo.Registration{URL: r.URL + "/hook", List: list})
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

func (w *world) sweep(s *echo.Service) int {
	w.Helper()
	n, err := s.Sweep(w.Context())
	require.NoError(w, err)
	return n
}

func (w *world) targets() []*echo.Target {
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

func TestDeliveriesAreSignedAndInOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		target := w.register(r, "list_1")
		for v := range 5 {
			require.False(t, w.receive("list_1", fmt.Sprint("m", v), tasks))
			require.Equal(t, 1, w.sweep(w.svc))
		}
		require.True(t, w.receive("list_1", "m3", tasks), "it came before")
		require.Len(t, r.calls(), 5)
		for i, c := range r.calls() {
			id, err := signature.Verify([]string{target.Secret}, c.header, c.body, w.now())
			require.NoError(t, err)
			require.NotEmpty(t, id)
			require.Equal(t, i+1, versionOf(t, c))
			require.Equal(t, "application/json", c.header.Get("Content-Type"))
		}
		require.Equal(t, 0, w.sweep(w.svc))
		require.Empty(t, w.targets()[0].Secret, "it is given once")
		l, err := w.svc.List(t.Context(), "list_1")
		require.NoError(t, err)
		require.Equal(t, int64(5), l.Version)
	})
}

func TestFailuresAreTriedAgainInOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		target := w.register(r, "l")
		r.answer(500)
		r.answer(200)
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		r.mu.Lock()
		r.got = nil
		r.mu.Unlock()
		require.NoError(t, w.svc.Retry(t.Context(), target.ID, 1))
		w.receive("l", "", tasks)
		r.answer(500)
		require.Equal(t, 0, w.sweep(w.svc))
		require.Len(t, r.calls(), 1, "the second waits for the first")
		require.Equal(t, 0, w.sweep(w.svc), "not at once")
		require.Len(t, r.calls(), 1)
		w.wait(10 * time.Second)
		r.answer(429, "Retry-After", "3600")
		w.sweep(w.svc)
		require.Len(t, r.calls(), 2)
		r.answer(200)
		w.wait(50 * time.Minute)
		w.sweep(w.svc)
		require.Len(t, r.calls(), 2, "Retry-After is honoured")
		w.wait(15 * time.Minute)
		require.Equal(t, 2, w.sweep(w.svc))
		calls := r.calls()
		require.Equal(t, 1, versionOf(t, calls[2]))
		require.Equal(t, 2, versionOf(t, calls[3]))
		require.Equal(t, calls[0].header.Get("webhook-id"), calls[2].header.Get("webhook-id"), "the same id each time")
		list, err := w.svc.Deliveries(t.Context(), target.ID, 10)
		require.NoError(t, err)
		require.Equal(t, 3, list[1].Tries)
		require.Equal(t, []int{500, 429, 200}, []int{list[1].Attempts[0].Status, list[1].Attempts[1].Status, list[1].Attempts[2].Status})
	})
}

func TestATargetThatKeepsFailingIsPaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, healthy := newReceiver(t), newReceiver(t)
	target := w.register(r, "l")
	w.register(healthy, "l")
	r.answer(503)
	w.receive("l", "", tasks)
	for range 20 {
		w.sweep(w.svc)
		w.wait(30 * time.Hour)
	}
	require.Len(t, r.calls(), 11)
	require.Len(t, healthy.calls(), 1, "it does not hold up others")
	var paused *echo.Target
	for _, x := range w.targets() {
		if x.ID == target.ID {
			paused = x
		}
	}
	require.Equal(t, echo.Paused, paused.State)
	require.Contains(t, paused.LastError, "503")
	w.receive("l", "", tasks) // it is kept
	w.sweep(w.svc)
	require.Len(t, r.calls(), 11)
	r.answer(204)
	require.NoError(t, w.svc.Retry(t.Context(), target.ID, 1))
	require.Equal(t, 1, w.sweep(w.svc))
	require.NoError(t, w.svc.Retry(t.Context(), target.ID, 1), "one that was delivered is made once more")
	require.Equal(t, 1, w.sweep(w.svc))
	calls := r.calls()
	require.Len(t, calls, 13)
	require.Equal(t, 2, versionOf(t, calls[12]))
	require.Equal(t, calls[11].header.Get("webhook-id"), calls[12].header.Get("webhook-id"))
	require.Equal(t, fault.NotFound, fault.CodeOf(w.svc.Retry(t.Context(), target.ID, 99)))
	require.Equal(t, fault.NotFound, fault.CodeOf(w.svc.Retry(t.Context(), "none", 1)))
}

func TestGoneUnregisters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	w.register(r, "l")
	r.answer(410)
	w.receive("l", "", tasks)
	w.sweep(w.svc)
	require.Empty(t, w.targets())
	w.receive("l", "", tasks)
	w.sweep(w.svc)
	require.Len(t, r.calls(), 1)
}

// A process dies at any time: another makes the deliveries, in order.
func TestDeliveriesSurviveTheProcess(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		w.register(r, "l")
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		r.answer(500)
		target := w.targets()[0].ID
		require.NoError(t, w.svc.Retry(t.Context(), target, 1))
		require.NoError(t, w.svc.Retry(t.Context(), target, 1))
		w.receive("l", "", tasks)
		w.sweep(w.svc)
		require.NoError(t, w.svc.Close(t.Context()))
		r.answer(200)
		w.wait(time.Minute)
		other := w.service(nil)
		require.Equal(t, 3, w.sweep(other))
		calls := r.calls()[1:]
		require.Equal(t, []int{1, 1, 2}, []int{versionOf(t, calls[1]), versionOf(t, calls[2]), versionOf(t, calls[3])})
	})
}

// Several processes sweep at once: each delivery is made by one of them.
func TestSweepsShare(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		receivers := make([]*receiver, 5)
		for i := range receivers {
			receivers[i] = newReceiver(t)
			w.register(receivers[i], "l")
		}
		services := []*echo.Service{w.service(nil), w.service(nil), w.service(nil), w.service(nil)}
		for range 10 {
			w.receive("l", "", tasks)
			var all sync.WaitGroup
			for _, s := range services {
				all.Go(func() {
					_, err := s.Sweep(context.Background())
					fail(t, err)
				})
			}
			all.Wait()
			w.wait(time.Minute) // what a lease was lost for
			w.sweep(w.svc)
		}
		for _, r := range receivers {
			seen := map[int]bool{}
			last := 0
			for _, c := range r.calls() {
				v := versionOf(t, c)
				require.False(t, seen[v], "version %d came twice", v)
				require.Greater(t, v, last)
				seen[v], last = true, v
			}
			require.Len(t, seen, 10)
		}
	})
}

func TestCloudEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	_, _, err := w.svc.Register(t.Context(), echo.Registration{URL: r.URL, List: "l", Format: echo.CloudEvents})
	require.NoError(t, err)
	w.receive("l", "", tasks)
	w.sweep(w.svc)
	c := r.calls()[0]
	require.Equal(t, "application/cloudevents+json", c.header.Get("Content-Type"))
	var e map[string]any
	require.NoError(t, json.Unmarshal(c.body, &e))
	require.Equal(t, "1.0", e["specversion"])
	require.Equal(t, c.header.Get("webhook-id"), e["id"])
	require.Equal(t, "https://headgate.example", e["source"])
	require.Equal(t, "l", e["subject"])
	require.NotNil(t, e["data"].(map[string]any)["data"])
}
