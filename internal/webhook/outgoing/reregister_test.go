package outgoing_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// briefly returns a context for calls that must not retry for ever.
func briefly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A registration after an unregistration starts from the beginning, even if documents of
// the first registration are left.
func TestRegisteringAnew(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		first := w.register(r, "l")
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		was, err := w.svc.Unregister(t.Context(), outgoing.Registration{URL: r.URL + "/hook", List: "l"})
		require.NoError(t, err)
		require.True(t, was)
		second := w.register(r, "l")
		require.Equal(t, first.ID, second.ID)
		ctx := briefly(t)
		_, err = w.svc.Receive(ctx, "l", "", []byte(tasks))
		require.NoError(t, err)
		require.NoError(t, ctx.Err(), "the fan-out retries for ever")
		require.Equal(t, 1, w.sweep(w.svc))
		require.Len(t, r.calls(), 3)
		list, err := w.svc.Deliveries(t.Context(), second.ID, 10)
		require.NoError(t, err)
		require.Len(t, list, 1, "deliveries of the first registration do not count")
		require.Equal(t, int64(3), list[0].Version)
		require.Equal(t, fault.NotFound, fault.CodeOf(w.svc.Retry(t.Context(), second.ID, 2)))
		require.NoError(t, w.svc.Retry(ctx, second.ID, 1), "documents of the first registration do not matter")
		require.Equal(t, 1, w.sweep(w.svc))
	})
}

// Another registration of the same URL changes nothing.
func TestRegisteringTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		first := w.register(r, "l")
		w.receive("l", "", tasks)
		again, created, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL + "/hook", List: "l", Format: outgoing.CloudEvents})
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, outgoing.Plain, again.Format)
		require.NotEmpty(t, first.Secret)
		require.Empty(t, again.Secret, "only the first answer has it")
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc), "the newest")
		require.EqualValues(t, 2, w.targets()[0].Version)
	})
}

// A target unregisters and registers again during a call. The outcome of the call does not
// count for the new registration.
func TestRegisteringAnewWhileCalled(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 410, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var r *httptest.Server
			var once sync.Once
			calls := make(chan int, 10)
			r = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				answer := 204
				once.Do(func() {
					answer = status
					w.wait(time.Millisecond)
					_, err := w.svc.Unregister(context.Background(), outgoing.Registration{URL: r.URL, List: "l"})
					fail(t, err)
					_, _, err = w.svc.Register(context.Background(), outgoing.Registration{URL: r.URL, List: "l"})
					fail(t, err)
				})
				calls <- answer
				rw.WriteHeader(answer)
			}))
			defer r.Close()
			_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL, List: "l"})
			require.NoError(t, err)
			w.receive("l", "", tasks)
			w.sweep(w.svc)
			require.Len(t, w.targets(), 1)
			require.Equal(t, int64(1), w.targets()[0].Head)
			require.Zero(t, w.targets()[0].Failures)
			w.receive("l", "", tasks)
			require.Equal(t, 1, w.sweep(w.svc))
			require.Len(t, calls, 2)
		})
	}
}
