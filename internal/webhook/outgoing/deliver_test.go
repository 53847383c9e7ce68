package outgoing_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/meter/metertest"
	"github.com/headgate/headgate/internal/webhook/outgoing"
	"github.com/headgate/headgate/internal/webhook/signature"
)

func TestDeliveriesAreSignedAndInOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		target := w.register(r, "list_1")
		for v := range 5 {
			require.False(t, w.receive("list_1", fmt.Sprint("m", v), tasks))
			require.Equal(t, 1, w.sweep(w.svc))
		}
		require.True(t, w.receive("list_1", "m3", tasks), "it was received before")
		require.Len(t, r.calls(), 5)
		for i, c := range r.calls() {
			id, err := signature.Verify([]string{target.Secret}, c.header, c.body, w.now())
			require.NoError(t, err)
			require.NotEmpty(t, id)
			require.Equal(t, i+1, versionOf(t, c))
			require.Equal(t, "application/json", c.header.Get("Content-Type"))
		}
		require.Equal(t, 0, w.sweep(w.svc))
		require.Empty(t, w.targets()[0].Secret, "the secret is shown once")
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
		_, list, err := w.svc.Deliveries(t.Context(), target.ID, 10)
		require.NoError(t, err)
		require.Equal(t, 3, list[1].Tries)
		require.Equal(t, []int{500, 429, 200}, []int{list[1].Attempts[0].Status, list[1].Attempts[1].Status, list[1].Attempts[2].Status})
	})
}

func TestATargetThatKeepsFailingIsPaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := new(metertest.Recorder)
	w.svc = w.service(func(o *outgoing.Options) { o.Meter = meter.New(m) })
	r, healthy := newReceiver(t), newReceiver(t)
	target := w.register(r, "l")
	w.register(healthy, "l")
	r.answer(503)
	w.receive("l", "", tasks)
	w.sweep(w.svc)
	for _, x := range w.targets() {
		if x.ID == target.ID {
			require.InDelta(t, x.NextAttempt.Sub(w.now()).Seconds(), x.WaitSeconds, 0.1, "the pause in seconds")
			require.Positive(t, x.WaitSeconds)
		}
	}
	for range 20 {
		w.wait(30 * time.Hour)
		w.sweep(w.svc)
	}
	require.Len(t, r.calls(), 11)
	require.Len(t, healthy.calls(), 1, "a failing target does not delay others")
	var paused *outgoing.Target
	for _, x := range w.targets() {
		if x.ID == target.ID {
			paused = x
		}
	}
	require.Equal(t, outgoing.Paused, paused.State)
	require.NoError(t, w.svc.Gauges(t.Context(), func(*meter.Metric) bool { return true }, m.Set))
	require.EqualValues(t, 1, m.Sum(meter.TargetsPaused))
	require.EqualValues(t, 1, m.Sum(meter.DeliveriesPending))
	require.Equal(t, 11, m.Times(meter.DeliveryDuration, meter.Failed))
	require.Equal(t, 1, m.Times(meter.DeliveryDuration, meter.Succeeded))
	require.Contains(t, paused.LastError, "503")
	w.receive("l", "", tasks) // it is kept
	w.sweep(w.svc)
	require.Len(t, r.calls(), 11)
	r.answer(204)
	require.NoError(t, w.svc.Retry(t.Context(), target.ID, 1))
	require.Equal(t, 1, w.sweep(w.svc))
	require.NoError(t, w.svc.Retry(t.Context(), target.ID, 1), "a finished delivery is made once more")
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

// A process may die at any time. Another one makes the deliveries, in order.
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

// When several processes sweep at once, one of them makes each delivery.
func TestSweepsShare(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		receivers := make([]*receiver, 5)
		for i := range receivers {
			receivers[i] = newReceiver(t)
			w.register(receivers[i], "l")
		}
		services := []*process{w.service(nil), w.service(nil), w.service(nil), w.service(nil)}
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
				require.False(t, seen[v], "version %d arrived twice", v)
				require.Greater(t, v, last)
				seen[v], last = true, v
			}
			require.Len(t, seen, 10)
		}
	})
}

// A list that is too large for a document is delivered whole, also when it is sent again.
func TestALargeListIsDelivered(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		target := w.register(r, "l")
		large := `{"12":{"name":"` + strings.Repeat("x", 3_000_000) + `","priority":1}}`
		r.answer(500)
		w.receive("l", "m1", large)
		require.Equal(t, 0, w.sweep(w.svc))
		r.answer(200)
		w.wait(time.Minute)
		require.Equal(t, 1, w.sweep(w.svc))
		w.receive("l", "m2", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		require.NoError(t, w.svc.Retry(t.Context(), target.ID, 1))
		require.Equal(t, 1, w.sweep(w.svc))
		require.Len(t, r.calls(), 4)
		for i, whole := range []bool{true, true, false, true} {
			c := r.calls()[i]
			_, err := signature.Verify([]string{target.Secret}, c.header, c.body, w.now())
			require.NoError(t, err)
			require.Equal(t, whole, strings.Contains(string(c.body), `"data":`+large), i)
		}
		_, kept, err := w.svc.Deliveries(t.Context(), target.ID, 10)
		require.NoError(t, err)
		for _, d := range kept {
			require.Less(t, len(d.Data), 1000)
		}
	})
}
