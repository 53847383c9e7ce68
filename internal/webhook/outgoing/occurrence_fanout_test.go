package outgoing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/webhook/occurrence"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// hooked is a store with calls before the listings of occurrences, and before the commits of
// their fan-out.
type hooked struct {
	store.Docs
	lists, commits atomic.Int64
	list           func(n int64)
	commit         func(n int64) error
}

func (h *hooked) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	if n := h.lists.Add(1); l.Collection == occurrence.Collection && h.list != nil {
		h.list(n)
	}
	return h.Docs.List(ctx, l)
}

func (h *hooked) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if slices.ContainsFunc(writes, func(w store.Write) bool { return w.Collection == occurrence.Collection }) {
		if n := h.commits.Add(1); h.commit != nil {
			if err := h.commit(n); err != nil {
				return nil, err
			}
		}
	}
	return h.Docs.Commit(ctx, writes)
}

// on returns a process on a hooked store.
func (w *world) on(h *hooked, change func(*outgoing.Options)) *process {
	h.Docs = w.store
	return w.service(func(o *outgoing.Options) {
		o.Docs = h
		if change != nil {
			change(o)
		}
	})
}

// put stores an occurrence, and fails the test from any goroutine.
func (w *world) put(o occurrence.Occurrence) {
	w.Helper()
	o.Source, o.Time = "/test", w.tick()
	if o.Data == nil {
		o.Data = json.RawMessage(`{}`)
	}
	_, err := w.store.Commit(context.Background(), []store.Write{(&occurrence.Entry{Occurrence: o}).Write()})
	fail(w.T, err)
}

// A target gets all that is committed after its registration, even if a fan-out of older
// occurrences is under way then.
func TestATargetThatRegistersDuringAFanOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := newReceiver(t), newReceiver(t)
	w.subscribe(a, "", nil, occurrence.Alert)
	for i := range 150 {
		w.occur(w.svc, occurrence.Alert, "s", fmt.Sprint("old", i), `{}`)
	}
	w.wait(2 * time.Minute)
	h := &hooked{}
	h.commit = func(n int64) error {
		if n == 1 {
			_, _, err := w.svc.Register(context.Background(), outgoing.Registration{URL: b.URL, Types: []string{occurrence.Alert}})
			fail(t, err)
			w.put(occurrence.Occurrence{ID: "new", Type: occurrence.Alert, Subject: "s"})
		}
		return nil
	}
	w.sweep(w.on(h, nil))
	require.Zero(t, w.outbox())
	require.Equal(t, "new", idsOf(t, a)[150])
	require.Equal(t, []string{"new"}, idsOf(t, b))
}

// However fast things happen, and however long their fan-out takes, targets are called: those
// that subscribe to them, and those of lists.
func TestAnEndlessOutboxHoldsUpNoDelivery(t *testing.T) {
	t.Parallel()
	for _, loop := range []bool{false, true} {
		t.Run(fmt.Sprint("loop ", loop), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			sub, list := newReceiver(t), newReceiver(t)
			w.subscribe(sub, "", nil, occurrence.Alert)
			w.register(list, "l")
			var made atomic.Int64
			more := func(int64) { // than a pass takes
				for range 110 {
					w.put(occurrence.Occurrence{ID: fmt.Sprint(made.Add(1)), Type: occurrence.Alert, Subject: "s"})
				}
			}
			p := w.on(&hooked{list: more}, func(o *outgoing.Options) { o.Now = w.tick })
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			if loop {
				p.Start()
				ended <- nil
			} else {
				w.receive("l", "", tasks)
				go func() {
					_, err := p.Sweep(ctx)
					ended <- err
				}()
			}
			require.Eventually(t, func() bool { return len(sub.calls()) > 2 }, patience, 5*time.Millisecond)
			if loop {
				w.receive("l", "", tasks)
			}
			require.Eventually(t, func() bool { return len(list.calls()) == 1 }, patience, 5*time.Millisecond)
			cancel()
			if err := <-ended; err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
			require.NoError(t, p.Close(t.Context()))
		})
	}
}

// One commit takes many occurrences, for several targets.
func TestACommitTakesManyOccurrences(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		var rs []*receiver
		for range 3 {
			rs = append(rs, newReceiver(t))
			w.subscribe(rs[len(rs)-1], "", nil, occurrence.Alert)
		}
		var want []string
		for i := range 40 {
			want = append(want, fmt.Sprint(i))
			w.occur(w.svc, occurrence.Alert, "s", want[i], `{}`)
		}
		h := &hooked{}
		w.sweep(w.on(h, nil))
		require.Zero(t, w.outbox())
		require.LessOrEqual(t, h.commits.Load(), int64(10), "of 120 deliveries")
		for _, r := range rs {
			require.Equal(t, want, idsOf(t, r))
		}
	})
}

// More targets subscribe than one commit takes deliveries: each gets one delivery, also where
// occurrences are so large that few fit into a commit.
func TestMoreTargetsThanACommitTakes(t *testing.T) {
	t.Parallel()
	w := worldOn(t, drivertest.Memory(t))
	r := newReceiver(t)
	w.svc = w.service(func(o *outgoing.Options) { o.Patience = time.Hour })
	const n = 250
	for i := range n {
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: fmt.Sprint(r.URL, "/", i), Types: []string{occurrence.Alert}})
		require.NoError(t, err)
	}
	large := json.RawMessage(`"` + string(bytes.Repeat([]byte("x"), 40<<10)) + `"`)
	w.put(occurrence.Occurrence{ID: "small", Type: occurrence.Alert, Subject: "s"})
	w.put(occurrence.Occurrence{ID: "large", Type: occurrence.Alert, Subject: "s", Data: large})
	require.Equal(t, 2*n, w.sweep(w.svc))
	require.Zero(t, w.outbox())
	for _, x := range w.targets() {
		require.EqualValues(t, 3, x.Next)
	}
}

// A filter that needs a message which cannot be built now holds up nothing: it is built again
// after pauses that grow, and given up after 30 days.
func TestAStuckMessageHoldsUpNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	builds := 0
	p := w.service(func(o *outgoing.Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.Message = func(context.Context, string, string) ([]byte, func(), error) {
			builds++
			return nil, nil, fault.New(fault.Unavailable, "no memory")
		}
	})
	r, alerts := newReceiver(t), newReceiver(t)
	w.subscribe(r, "data.x == 1", nil, occurrence.Message)
	w.subscribe(alerts, "", nil, occurrence.Alert)
	const n = 150 // more than a pass reads
	for i := range n {
		w.put(occurrence.Occurrence{ID: fmt.Sprint(i), Type: occurrence.Message, Subject: "s", Service: "s", EventID: fmt.Sprint(i)})
	}
	w.put(occurrence.Occurrence{ID: "alert", Type: occurrence.Alert, Subject: "s"})
	delivered, err := p.Sweep(t.Context())
	require.ErrorContains(t, err, "no memory")
	require.Equal(t, 1, delivered)
	require.Equal(t, []string{"alert"}, idsOf(t, alerts))
	first := builds
	require.LessOrEqual(t, first, 4, "a pass tries one of them")
	require.Zero(t, w.sweep(p))
	require.Equal(t, first, builds, "they pause")
	for range 12 {
		w.wait(2 * time.Hour)
		_, err = p.Sweep(t.Context())
		require.Error(t, err)
	}
	require.Greater(t, builds, first)
	require.LessOrEqual(t, builds, 13*first)
	require.Equal(t, n, w.outbox())
	w.wait(outgoing.KeptFor)
	require.Zero(t, w.sweep(p))
	require.Zero(t, w.outbox())
	require.Contains(t, log.String(), "occurrences are dropped")
	require.Empty(t, r.calls())
}

// A message that takes long to be built holds up no call.
func TestAMessageThatTakesLongHoldsUpNoCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, list := newReceiver(t), newReceiver(t)
	w.subscribe(r, "data.x == 1", nil, occurrence.Message)
	w.register(list, "l")
	building := make(chan struct{}, 1)
	p := w.service(func(o *outgoing.Options) {
		o.Now, o.Patience = w.tick, time.Hour
		o.Message = func(ctx context.Context, _, _ string) ([]byte, func(), error) {
			building <- struct{}{}
			<-ctx.Done()
			return nil, nil, ctx.Err()
		}
	})
	w.put(occurrence.Occurrence{ID: "1", Type: occurrence.Message, Subject: "s", Service: "s", EventID: "1"})
	p.Start()
	<-building
	w.receive("l", "", tasks)
	require.Eventually(t, func() bool { return len(list.calls()) == 1 }, patience, 5*time.Millisecond)
	require.NoError(t, p.Close(t.Context()))
}

// What happened before a registration is not sent to it, though the outbox may still have it.
func TestWhatHappenedBeforeIsNotSent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		a, b := newReceiver(t), newReceiver(t)
		x := w.subscribe(a, "", nil, occurrence.Alert)
		for i := range 3 {
			w.occur(w.svc, occurrence.Alert, "s", fmt.Sprint("old", i), `{}`)
		}
		_, err := w.svc.UnregisterID(t.Context(), x.ID)
		require.NoError(t, err)
		w.wait(2 * time.Minute)
		w.subscribe(b, "", nil, occurrence.Alert)
		w.occur(w.svc, occurrence.Alert, "s", "new", `{}`)
		w.sweep(w.svc)
		require.Zero(t, w.outbox())
		require.Equal(t, []string{"new"}, idsOf(t, b))
	})
}

// What is left in the outbox is deleted while nobody subscribes, too.
func TestTheOutboxIsEmptiedWhileNobodySubscribes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.service(func(o *outgoing.Options) { o.Now = w.tick })
	w.put(occurrence.Occurrence{ID: "1", Type: occurrence.Alert, Subject: "s"})
	p.Start()
	require.Eventually(t, func() bool { return w.outbox() == 0 }, patience, 5*time.Millisecond)
	w.put(occurrence.Occurrence{ID: "2", Type: occurrence.Alert, Subject: "s"})
	w.wait(time.Minute)
	require.Eventually(t, func() bool { return w.outbox() == 0 }, patience, 5*time.Millisecond)
}

// After a commit that fails, nothing overtakes what it was about.
func TestAFailedCommitKeepsTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	w.subscribe(r, "", nil, occurrence.Records)
	var want []string
	for i := range 450 { // more than two commits
		want = append(want, fmt.Sprint("v", i))
		w.occur(w.svc, occurrence.Records, "items", want[i], `{}`)
	}
	p := w.on(&hooked{commit: func(n int64) error {
		if n%2 == 1 {
			return errors.New("the store is away")
		}
		return nil
	}}, nil)
	for w.outbox() > 0 {
		_, _ = p.Sweep(t.Context())
	}
	w.sweep(p)
	require.Equal(t, want, idsOf(t, r))
}

// A target that registers anew during the fan-out gets what its new filter lets through.
func TestTheNewFilterIsAsked(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		old := w.subscribe(r, "data.n < 5", nil, occurrence.Alert)
		w.occur(w.svc, occurrence.Alert, "s", "low", `{"n":1}`)
		w.occur(w.svc, occurrence.Alert, "s", "high", `{"n":9}`)
		p := w.on(&hooked{commit: func(n int64) error {
			if n == 1 {
				_, err := w.svc.UnregisterID(context.Background(), old.ID)
				fail(t, err)
				_, _, err = w.svc.Register(context.Background(), outgoing.Registration{URL: r.URL + "/all", Types: []string{occurrence.Alert}, Filter: "data.n > 5"})
				fail(t, err)
			}
			return nil
		}}, nil)
		w.sweep(p)
		w.sweep(w.svc)
		require.Equal(t, []string{"high"}, idsOf(t, r))
	})
}
