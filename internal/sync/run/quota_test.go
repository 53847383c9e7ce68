package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// quota allows five calls in a minute by the clock, and tells so in one of the ways that
// servers have.
type quota struct {
	now  func() time.Time
	says string

	mu      sync.Mutex
	since   time.Time
	calls   int
	refused int
}

var quotas = []string{"seconds", "date", "nothing", "503", "403"}

// refuses answers a call beyond the quota.
func (q *quota) refuses(h http.Header) (status int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if now.Sub(q.since) >= time.Minute {
		q.since, q.calls = now, 0
	}
	if q.calls++; q.calls <= 5 {
		return 0
	}
	q.refused++
	left := q.since.Add(time.Minute + time.Second).Sub(now)
	switch q.says {
	case "date":
		h.Set("Date", now.Format(http.TimeFormat))
		h.Set("Retry-After", now.Add(left+time.Second).UTC().Format(http.TimeFormat))
	case "nothing":
	default:
		h.Set("Retry-After", strconv.Itoa(int(left/time.Second)+1))
	}
	if status, err := strconv.Atoi(q.says); err == nil {
		return status
	}
	return 429
}

// limited makes the server allow five calls in a minute.
func (s *restServer) limited(w *world, says string) *quota {
	q := &quota{now: w.now, says: says}
	s.refuseBy(func(rw http.ResponseWriter, _ *http.Request, _ []string) bool {
		status := q.refuses(rw.Header())
		if status != 0 {
			rw.WriteHeader(status)
		}
		return status != 0
	})
	return q
}

const paged = `"list":"{type}","items":"rows","paging":{"style":"page"},"create":{"id":"id","attemptField":"ref"},"update":{"url":"{type}/{id}"}`

// A quota of calls makes runs slow, and stops none: a pull goes on at the page, and a push
// at the row, at which the quota was used up. Nothing is read or made twice.
func TestAQuotaIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, says := range quotas {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			w, s := apiWorld(t, "", func(d *definition.Sync) { d.Datasource.Options = json.RawMessage("{" + paged + "}") })
			q := s.limited(w, says)
			for i := range 40 {
				s.theirs(fmt.Sprint("theirs ", i))
			}
			for i := range 23 {
				w.put(fmt.Sprintf("ours-%02d", i), map[string]any{"name": fmt.Sprint("ours ", i)})
			}
			run := w.finished(syncrun.Start{})
			require.Contains(t, run.Warnings[0], "allows no more calls for now")
			require.Equal(t, int64(40+23), run.Counts.Created)
			require.Len(t, s.names(), 63)
			require.Equal(t, s.names(), w.names())
			calls, _ := s.since(0)
			require.Len(t, calls, 15+23+q.refused, "each page and each row took one call")
			require.Equal(t, int(w.slept.Load()), q.refused)
			for i := range 23 {
				w.put(fmt.Sprintf("ours-%02d", i), map[string]any{"name": fmt.Sprint("edited ", i)})
			}
			w.wait(time.Hour)
			require.Equal(t, int64(23), w.finished(syncrun.Start{Method: syncrun.DoPush}).Counts.Updated)
			require.Equal(t, s.names(), w.names())
		})
	}
}

// An invocation whose time is up hands the run on, and the next one goes on there.
func TestAQuotaOutlastsAnInvocation(t *testing.T) {
	t.Parallel()
	w, s := apiWorld(t, "", func(d *definition.Sync) { d.Datasource.Options = json.RawMessage("{" + paged + "}") })
	s.limited(w, "seconds")
	for i := range 40 {
		s.theirs(fmt.Sprint("theirs ", i))
	}
	for i := range 23 {
		w.put(fmt.Sprintf("ours-%02d", i), map[string]any{"name": fmt.Sprint("ours ", i)})
	}
	tasks := make(chan string, 100)
	svc := w.serviceWith(w.store, func(o *syncrun.Options) {
		o.MaxInvocation = 50 * time.Second
		o.Dispatch = func(_ context.Context, _, runID string) error { tasks <- runID; return nil }
	})
	run, err := svc.Start(t.Context(), "s", syncrun.Start{})
	require.NoError(t, err)
	for range 40 {
		if run.State.Ended() {
			break
		}
		require.NoError(t, svc.Work(t.Context(), "s", <-tasks))
		run, err = svc.Run(t.Context(), "s", run.ID)
		require.NoError(t, err)
	}
	require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
	require.Greater(t, run.Invocations, 5)
	require.Len(t, s.names(), 63)
	require.Equal(t, s.names(), w.names())
}

// A run does not wait for ever: neither for a source that always asks for it, nor for a day.
func TestAWaitHasAnEnd(t *testing.T) {
	t.Parallel()
	for after, waits := range map[string]int64{"": 5, "30": 5, "86400": 0} {
		w, s := apiWorld(t, "", nil)
		w.put("a", map[string]any{"name": "ours"})
		s.refuseBy(func(rw http.ResponseWriter, _ *http.Request, _ []string) bool {
			if after != "" {
				rw.Header().Set("Retry-After", after)
			}
			rw.WriteHeader(429)
			return true
		})
		for _, method := range []syncrun.Method{syncrun.DoPull, syncrun.DoPush} {
			before := w.slept.Load()
			run := w.run(syncrun.Start{Method: method})
			require.Equal(t, syncrun.Failed, run.State)
			require.Contains(t, run.Errors[0], "429 Too Many Requests")
			if method == syncrun.DoPush { // the creation in doubt is asked for before a pull
				require.Equal(t, waits, w.slept.Load()-before)
			}
		}
	}
}

// The stand-ins have a quota, too.
func TestAQuotaOfTheOtherSystems(t *testing.T) {
	t.Parallel()
	for _, says := range quotas {
		for name, fill := range map[string]func(b *bench) int{
			"mywell": func(b *bench) int {
				for i := range 12 {
					b.put("group", fmt.Sprint("v", i), map[string]any{"name": fmt.Sprint("v", i), "externalIds": map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": fmt.Sprint(i + 20)}})
				}
				b.theirs("resource", well(117))
				return len(b.mock.Rows("resource")) + 12
			},
			"collect": func(b *bench) int {
				for i := range 23 {
					b.ourEvent(fmt.Sprint("e", i))
				}
				b.event("theirs", b.now())
				return 24
			},
		} {
			t.Run(name+"/"+says, func(t *testing.T) {
				t.Parallel()
				server, def, types := mock.NewMyWell, wells, []string{"village", "resource"}
				if name == "collect" {
					server, def, types = mock.NewSyncServer, collect, []string{"event"}
				}
				b := between(t, server, def)
				q := &quota{now: b.now, says: says}
				b.limit = q.refuses
				want := fill(b)
				b.finished(syncrun.Start{})
				require.Positive(t, b.slept.Load())
				n := 0
				for _, typ := range types {
					n += len(b.mock.Rows(typ))
				}
				require.Equal(t, want, n)
			})
		}
	}
}
