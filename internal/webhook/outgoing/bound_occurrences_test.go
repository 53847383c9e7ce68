package outgoing_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/webhook/occurrence"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// occurMany commits n occurrences that are numbered from first on.
func (w *world) occurMany(first, n int) {
	w.Helper()
	for i := range n {
		w.put(occurrence.Occurrence{ID: fmt.Sprint(first + i), Type: occurrence.Alert, Subject: "s"})
	}
}

// Of the occurrences that a target got, the last 100 are kept, also after many at once.
func TestDeliveredOccurrencesAreBounded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		x := w.subscribe(r, "", nil, occurrence.Alert)
		for round := range 3 {
			w.occurMany(130*round, 130)
			require.Equal(t, 130, w.sweep(w.svc))
			require.Equal(t, outgoing.KeptDeliveries, w.stored(x.ID))
		}
		_, kept, err := w.svc.Deliveries(t.Context(), x.ID, 1000)
		require.NoError(t, err)
		require.Equal(t, "389", kept[0].WebhookID)
		require.Equal(t, "290", kept[99].WebhookID)
	})
}

// What waits is bounded while a call is under way, too: the oldest are dropped, except the one
// that is being sent. Its outcome counts, and what follows is sent in order, once each.
func TestASlowTargetIsBounded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		const kept, first, n = outgoing.KeptOccurrences, outgoing.KeptOccurrences - 10, 30
		var during *outgoing.Target
		h := newHook(t, func(*http.Request) {
			// So many wait that the next ones are too many. Their documents do not matter here.
			w.rewriteTarget(func(t map[string]any) { t["next"] = first })
			w.occurMany(1, n)
			_, err := w.service(nil).Sweep(w.Context()) // calls nobody: the target is leased
			fail(t, err)
			during = w.targets()[0]
			w.rewriteTarget(func(t map[string]any) { t["resume"] = first })
		})
		x, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: h.URL, Types: []string{occurrence.Alert}})
		require.NoError(t, err)
		w.occurMany(0, 1)
		require.Equal(t, 1+n, w.sweep(w.svc))
		require.EqualValues(t, kept, during.Waiting())
		require.EqualValues(t, first+n-1-kept, during.Dropped)
		var want []string
		for i := range 1 + n {
			want = append(want, fmt.Sprint(i))
		}
		require.Equal(t, want, h.called())
		now := w.targets()[0]
		require.Zero(t, now.Waiting())
		require.Equal(t, during.Dropped, now.Dropped)
		require.Equal(t, n, w.stored(x.ID), "the first number is more than 100 behind")
	})
}

// If the call under way fails, its delivery is tried again before those that were kept, or is
// the next to be dropped.
func TestASlowTargetThatFails(t *testing.T) {
	t.Parallel()
	for _, more := range []int{0, 5} {
		w := worldOn(t, drivertest.Memory(t))
		const first = outgoing.KeptOccurrences - 10
		h := newHook(t, func(*http.Request) {
			w.rewriteTarget(func(t map[string]any) { t["next"] = first })
			w.occurMany(1, 30)
			_, err := w.service(nil).Sweep(w.Context())
			fail(t, err)
			panic(http.ErrAbortHandler)
		})
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: h.URL, Types: []string{occurrence.Alert}})
		require.NoError(t, err)
		w.occurMany(0, 1)
		require.Zero(t, w.sweep(w.svc))
		x := w.targets()[0]
		require.EqualValues(t, 1, x.Head)
		require.EqualValues(t, outgoing.KeptOccurrences, x.Waiting())
		w.occurMany(31, more)
		require.Zero(t, w.sweep(w.svc), "it backs off")
		x = w.targets()[0]
		require.EqualValues(t, outgoing.KeptOccurrences, x.Waiting())
		require.EqualValues(t, first+29+more-outgoing.KeptOccurrences, x.Dropped)
		w.rewriteTarget(func(t map[string]any) { // the documents between are not there
			if more > 0 {
				t["head"] = first
			} else {
				t["resume"] = first
			}
		})
		w.wait(time.Minute)
		w.sweep(w.svc)
		calls := h.called()
		require.Len(t, calls, 32-min(more, 1)+more)
		if more == 0 {
			require.Equal(t, []string{"0", "0", "1"}, calls[:3])
		} else {
			require.Equal(t, []string{"0", "1", "2"}, calls[:3])
		}
	}
}

// While a target loses occurrences because too many wait, the log has a line at once and then
// each hour, and the target counts them.
func TestDropsAreToldEachHour(t *testing.T) {
	t.Parallel()
	w := worldOn(t, drivertest.Memory(t))
	var log bytes.Buffer
	s := w.service(func(o *outgoing.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	r := newReceiver(t)
	r.answer(500)
	x := w.subscribe(r, "", nil, occurrence.Alert)
	w.occurMany(0, 1)
	require.Zero(t, w.sweep(s))
	// So many wait that the next ones are too many. Their documents do not matter here.
	w.rewriteTarget(func(t map[string]any) {
		t["next"], t["state"] = 1+outgoing.KeptOccurrences, outgoing.Paused
	})
	lines := func() int { return bytes.Count(log.Bytes(), []byte("dropped: more wait than can be kept")) }
	for i := range 10 {
		w.occurMany(1+i, 1)
		require.Zero(t, w.sweep(s))
		require.Equal(t, 1+i/4, lines(), log.String())
		w.wait(16 * time.Minute)
	}
	target, _, err := s.Deliveries(t.Context(), x.ID, 1)
	require.NoError(t, err)
	require.EqualValues(t, 10, target.Dropped)
	require.EqualValues(t, outgoing.KeptOccurrences, target.Waiting())
}

// So it is with those that waited until they expired: a URL that was paused for a month would
// otherwise fill the log with thousands of lines when it works again.
func TestExpiredOccurrencesAreToldEachHour(t *testing.T) {
	t.Parallel()
	w := worldOn(t, drivertest.Memory(t))
	var log bytes.Buffer
	s := w.service(func(o *outgoing.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	r := newReceiver(t)
	w.subscribe(r, "", nil, occurrence.Alert)
	w.rewriteTarget(func(t map[string]any) { t["next"] = 1000 }) // the documents of none of them are there
	w.occurMany(0, 1)
	require.Equal(t, 1, w.sweep(s))
	require.EqualValues(t, 999, w.targets()[0].Dropped)
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("they waited until they expired")))
}
