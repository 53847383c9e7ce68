package incoming_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/incoming"
)

// upstream is a source of truth.
type upstream struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	before func(path string) // called before a request is handled; may block
	have   map[string]string // URL by list
	calls  int
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{have: map[string]string{}, status: 200}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ URL, ExternalTaskListID string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		u.mu.Lock()
		before := u.before
		u.mu.Unlock()
		if before != nil {
			before(r.URL.Path)
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.calls++
		if u.status != 200 {
			w.WriteHeader(u.status)
			return
		}
		if r.URL.Path == "/register-for-webhook" {
			u.have[in.ExternalTaskListID] = in.URL
		} else if u.have[in.ExternalTaskListID] == in.URL {
			delete(u.have, in.ExternalTaskListID)
		}
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) set(status int, before func(path string)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status, u.before = status, before
}

func (u *upstream) registered() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.have)
}

func (w *world) watching(u *upstream) *process {
	return w.service(func(o *options) { o.Upstream = u.URL })
}

func (w *world) listsOf(x incoming.Session) []string {
	w.Helper()
	open, err := w.svc.ListsOf(w.Context(), x.ID())
	require.NoError(w, err)
	return open
}

var sessionX, sessionY = incoming.Session{TenantID: "t_1", DocumentID: "x"}, incoming.Session{TenantID: "t", DocumentID: "1_x"}

// The last session of a list ends on one instance while another session begins on
// another instance. In the end we are registered.
func TestASessionBeginsWhileTheLastEnds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		u := newUpstream(t)
		a, b := w.watching(u), w.watching(u)
		require.NoError(t, a.Open(t.Context(), sessionX, "l"))
		opened := make(chan error, 1)
		var once sync.Once
		u.set(200, func(path string) {
			once.Do(func() { meanwhile(opened, func() error { return b.Open(context.Background(), sessionY, "l") }) })
		})
		require.NoError(t, a.End(t.Context(), sessionX))
		require.NoError(t, <-opened)
		require.Equal(t, 1, u.registered())
		require.Equal(t, []string{"l"}, w.listsOf(sessionY))
		require.NoError(t, b.End(t.Context(), sessionY))
		require.Zero(t, u.registered())
	})
}

// A session begins again while it ends. It then has the list open, and can end.
func TestASessionBeginsWhileItEnds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		u := newUpstream(t)
		other := w.watching(u)
		opened := make(chan error, 1)
		ends := w.service(func(o *options) {
			o.Upstream = u.URL
			o.Docs = beforeDeletion{w.store, sync.OnceFunc(func() { meanwhile(opened, func() error { return other.Open(context.Background(), sessionX, "l") }) })}
		})
		require.NoError(t, ends.Open(t.Context(), sessionX, "l"))
		require.NoError(t, ends.End(t.Context(), sessionX))
		require.NoError(t, <-opened)
		require.Equal(t, 1, u.registered())
		require.Equal(t, []string{"l"}, w.listsOf(sessionX))
		require.NoError(t, other.End(t.Context(), sessionX))
		require.Zero(t, u.registered())
	})
}

// meanwhile waits until do returns, or until do has surely begun to wait for the caller.
func meanwhile(done chan error, do func() error) {
	ended := make(chan struct{})
	go func() { done <- do(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(200 * time.Millisecond):
	}
}

// beforeDeletion calls do just before a deletion is committed.
type beforeDeletion struct {
	store.Docs
	do func()
}

func (b beforeDeletion) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if slices.ContainsFunc(writes, func(w store.Write) bool { return w.Delete }) {
		b.do()
	}
	return b.Docs.Commit(ctx, writes)
}

// A process stalls while it unregisters, another registers meanwhile, and the
// unregistration arrives last. The stalled process then registers again.
func TestAnUnregistrationThatArrivesLate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		u := newUpstream(t)
		a, b := w.watching(u), w.watching(u)
		require.NoError(t, a.Open(t.Context(), sessionX, "l"))
		u.set(200, func(path string) {
			if path == "/unregister-webhook" {
				u.set(200, nil)
				w.wait(time.Minute)
				fail(t, b.Open(context.Background(), sessionY, "l"))
			}
		})
		require.NoError(t, a.End(t.Context(), sessionX))
		require.Equal(t, 1, u.registered())
		require.Empty(t, w.listsOf(sessionX))
		require.NoError(t, b.End(t.Context(), sessionY))
		require.Zero(t, u.registered())
	})
}

// Sessions begin and end all at once. We are registered exactly if one is left.
func TestSessionsThatCrossEachOther(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		u := newUpstream(t)
		services := []*process{w.watching(u), w.watching(u)}
		for round := range 15 {
			var all sync.WaitGroup
			for i := range 4 {
				x := incoming.Session{TenantID: "t", DocumentID: fmt.Sprint(i % 3)}
				all.Go(func() { fail(t, services[i%2].Open(context.Background(), x, "l")) })
				all.Go(func() { fail(t, services[(i+round)%2].End(context.Background(), x)) })
			}
			all.Wait()
			open := 0
			for i := range 3 {
				open += len(w.listsOf(incoming.Session{TenantID: "t", DocumentID: fmt.Sprint(i)}))
			}
			require.Equal(t, open > 0, u.registered() > 0, "round %d: %d are open", round, open)
			for i := range 3 {
				require.NoError(t, services[0].End(t.Context(), incoming.Session{TenantID: "t", DocumentID: fmt.Sprint(i)}))
			}
			require.Zero(t, u.registered(), "round %d: nobody has it open", round)
		}
	})
}

func TestSessionsRegisterOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUpstream(t)
	a, b := w.watching(u), w.watching(u)
	var all sync.WaitGroup
	for i := range 10 {
		x := incoming.Session{TenantID: "t", DocumentID: fmt.Sprint(i)}
		all.Go(func() { fail(t, []*process{a, b}[i%2].Open(context.Background(), x, "l")) })
	}
	all.Wait()
	require.Equal(t, 1, u.calls)
	require.Equal(t, []string{"l"}, w.listsOf(incoming.Session{TenantID: "t", DocumentID: "3"}))
}

// When the source fails, the session does not change, and the call may be repeated.
func TestTheSourceFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUpstream(t)
	s := w.watching(u)
	u.set(503, nil)
	require.Equal(t, fault.Unavailable, fault.CodeOf(s.Open(t.Context(), sessionX, "l")))
	require.Empty(t, w.listsOf(sessionX), "a failed registration opens nothing")
	u.set(200, nil)
	require.NoError(t, s.Open(t.Context(), sessionX, "l"))
	require.Equal(t, 1, u.registered())
	u.set(503, nil)
	require.Equal(t, fault.Unavailable, fault.CodeOf(s.End(t.Context(), sessionX)))
	require.Equal(t, []string{"l"}, w.listsOf(sessionX))
	u.set(200, nil)
	require.NoError(t, s.End(t.Context(), sessionX))
	require.Zero(t, u.registered())
	require.Empty(t, w.listsOf(sessionX))
	calls := u.calls
	require.NoError(t, s.End(t.Context(), sessionX), "it changes nothing")
	require.Equal(t, calls, u.calls)
}

// When the answer to an unregistration is lost, the next session registers again.
func TestASourceThatWasNotHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUpstream(t)
	s := w.watching(u)
	require.NoError(t, s.Open(t.Context(), sessionX, "l"))
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	done := make(chan struct{})
	u.set(200, func(string) { hangUp(); <-done })
	require.Error(t, s.End(ctx, sessionX))
	u.set(200, nil)
	close(done)
	require.Eventually(t, func() bool { return u.registered() == 0 }, time.Minute, 5*time.Millisecond, "the source unregistered us although its answer was lost")
	require.NoError(t, w.watching(u).Open(t.Context(), sessionY, "l"))
	require.Equal(t, 1, u.registered())
}

func TestSessionsOfTwoLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUpstream(t)
	s := w.watching(u)
	for _, list := range []string{"a", "b", "a"} {
		require.NoError(t, s.Open(t.Context(), sessionX, list))
	}
	require.NoError(t, s.Open(t.Context(), sessionY, "b"))
	require.Equal(t, 2, u.registered())
	require.NoError(t, s.End(t.Context(), sessionX))
	require.Equal(t, 1, u.registered(), "b is open")
	require.NoError(t, s.End(t.Context(), sessionY))
	require.Zero(t, u.registered())
}

// A session can be opened although the process that asked the source died and its clock
// was far ahead.
func TestASourceIsNotAskedForEver(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		col := store.Collection{Kind: "sessions", Scope: "lists"}
		body, err := json.Marshal(map[string]any{"list": "l", "askingUntil": w.now().Add(10 * 24 * time.Hour)})
		require.NoError(t, err)
		_, err = w.store.Commit(t.Context(), []store.Write{{Collection: col, Doc: store.Doc{ID: "l", Body: body}}})
		require.NoError(t, err)
		require.NoError(t, w.svc.Open(t.Context(), incoming.Session{TenantID: "t", DocumentID: "d"}, "l"))
		open, err := w.svc.ListsOf(t.Context(), "t/d")
		require.NoError(t, err)
		require.Equal(t, []string{"l"}, open)
	})
}
