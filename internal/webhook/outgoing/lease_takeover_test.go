package outgoing_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// hook is a target that calls a function before it answers its first call.
type hook struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string
}

func newHook(t *testing.T, first func(*http.Request)) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // without this, the server does not notice that the caller hangs up
		h.mu.Lock()
		h.calls = append(h.calls, r.Header.Get("Webhook-Id"))
		n := len(h.calls)
		h.mu.Unlock()
		if n == 1 {
			first(r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) called() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.calls...)
}

// A process that stalls for longer than its lease finds that another one took over, and
// drops its outcome.
func TestALeaseThatIsLost(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		h := newHook(t, func(*http.Request) {
			fail(t, receiveTwice(w))
			w.wait(time.Minute)
			n, err := w.service(nil).Sweep(w.Context())
			fail(t, err)
			if n != 2 {
				t.Errorf("%d deliveries, not 2", n)
			}
		})
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: h.URL, List: "l"})
		require.NoError(t, err)
		w.receive("l", "", tasks)
		w.sweep(w.svc)
		calls := h.called()
		require.Len(t, calls, 3)
		require.Equal(t, calls[0], calls[1], "the outcome of the first call is unknown, so it is made again")
		require.EqualValues(t, 3, w.targets()[0].Head)
	})
}

func receiveTwice(w *world) error {
	for range 2 {
		if _, err := w.svc.Receive(w.Context(), "l", "", []byte(tasks)); err != nil {
			return err
		}
	}
	return nil
}

// A process that stops in the middle of a delivery drops its lease, so that another one
// can retry at once.
func TestCloseGivesTheLeaseBack(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		called := make(chan struct{})
		h := newHook(t, func(r *http.Request) { close(called); <-r.Context().Done() })
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: h.URL, List: "l"})
		require.NoError(t, err)
		w.receive("l", "", tasks)
		w.svc.Start()
		<-called
		require.NoError(t, w.svc.Close(t.Context()))
		require.Equal(t, 1, w.sweep(w.service(nil)))
		require.Len(t, h.called(), 2)
	})
}
