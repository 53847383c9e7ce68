package outgoing_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// patience is longer than any step takes on a slow machine.
const patience = 2 * time.Minute

// hanging is a target that takes calls and does not answer while the test runs.
type hanging struct {
	*httptest.Server
	calls atomic.Int64
	// letGo answers its calls with 200.
	letGo func()
}

func newHanging(t *testing.T) *hanging {
	h := &hanging{}
	stop := make(chan struct{})
	h.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		h.calls.Add(1)
		<-stop
	}))
	h.letGo = sync.OnceFunc(func() { close(stop) })
	t.Cleanup(func() { h.letGo(); h.Close() })
	return h
}

// A target that does not answer delays no other target, of its list or of another.
func TestAHangingTargetHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		slow, r, elsewhere := newHanging(t), newReceiver(t), newReceiver(t)
		w.svc = w.service(func(o *outgoing.Options) { o.Now, o.Patience = w.tick, time.Hour })
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: slow.URL, List: "l"})
		require.NoError(t, err)
		w.register(r, "l")
		w.register(elsewhere, "m")
		w.svc.Start()
		for n := range 3 {
			w.receive("l", "", tasks)
			w.receive("m", "", tasks)
			require.Eventually(t, func() bool { return len(r.calls()) == n+1 && len(elsewhere.calls()) == n+1 }, patience, 5*time.Millisecond, "%d", n)
		}
		require.EqualValues(t, 1, slow.calls.Load(), "it is called once at a time")
	})
}

// Many targets that do not answer delay no other target either.
func TestHangingTargetsHoldUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	w.svc = w.service(func(o *outgoing.Options) { o.Now, o.Patience = w.tick, time.Hour })
	for range 20 {
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: newHanging(t).URL, List: "l"})
		require.NoError(t, err)
	}
	w.register(r, "m")
	w.svc.Start()
	w.receive("l", "", tasks)
	w.receive("m", "", tasks)
	require.Eventually(t, func() bool { return len(r.calls()) == 1 }, patience, 5*time.Millisecond)
}

// A target gets its deliveries one after the other, without a pause between them.
func TestStartDelivers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := newHanging(t)
	_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: slow.URL, List: "l"})
	require.NoError(t, err)
	w.svc.Start()
	w.receive("l", "", tasks)
	require.Eventually(t, func() bool { return slow.calls.Load() == 1 }, patience, 5*time.Millisecond)
	for range 5 {
		w.receive("l", "", tasks)
	}
	slow.letGo()
	require.Eventually(t, func() bool { x := w.targets()[0]; return x.Waiting() == 0 && x.LeaseUntil.IsZero() }, patience, 5*time.Millisecond)
	require.EqualValues(t, 2, slow.calls.Load())
	require.NoError(t, w.svc.Close(t.Context()))
	w.receive("l", "", tasks)
	require.EqualValues(t, 2, slow.calls.Load(), "a closed service delivers nothing")
}

// A sweep that waits for one target calls the others meanwhile, however many are due.
func TestASweepGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow, r := newHanging(t), newReceiver(t)
	w.svc = w.service(func(o *outgoing.Options) { o.Now, o.Patience = w.tick, time.Hour })
	_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: slow.URL, List: "a"}) // due first
	require.NoError(t, err)
	const n = 250
	for i := range n {
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL + "/" + strconv.Itoa(i), List: "b"})
		require.NoError(t, err)
	}
	w.receive("a", "", tasks)
	w.receive("b", "", tasks)
	swept := make(chan int)
	go func() {
		delivered, err := w.svc.Sweep(t.Context())
		if err != nil {
			delivered = -1
		}
		swept <- delivered
	}()
	require.Eventually(t, func() bool { return len(r.calls()) == n }, patience, 5*time.Millisecond)
	slow.letGo()
	require.Equal(t, n+1, <-swept, "the sweep waits for all")
}
