package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// oneGroup makes the calls run as one group. It acts as the leader until all of them are
// queued in order, calls before, and then appoints the first of them.
func oneGroup(t *testing.T, s *Store, before func(), calls ...func() error) []error {
	t.Helper()
	w := s.w
	w.mu.Lock()
	w.busy = true
	w.longest = time.Hour
	w.mu.Unlock()
	queued := func(n int) {
		for {
			w.mu.Lock()
			got := len(w.queue)
			w.mu.Unlock()
			if got == n {
				return
			}
			runtime.Gosched()
		}
	}
	answers := make([]chan error, len(calls))
	for i, call := range calls {
		answers[i] = make(chan error, 1)
		go func() { answers[i] <- call() }()
		queued(i + 1)
	}
	if before != nil {
		before()
	}
	w.next([]*op{nil})
	errs := make([]error, len(calls))
	for i := range calls {
		errs[i] = <-answers[i]
	}
	return errs
}

func add(t *testing.T, s *Store, req store.Append) func() error {
	return func() error { return s.Append(t.Context(), []store.Append{req})[0].Err }
}

func claimOf(ps ...store.Pointer) store.Claim {
	return store.Claim{
		ClaimInfo: store.ClaimInfo{ID: event.RandomID(), Service: "s", EventID: event.RandomID(), Owner: event.RandomID(), State: store.Claimed},
		Lists:     []event.List{{Key: "a", Included: ps}},
	}
}

func TestARefusedOpIsUndoneAlone(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	one, two, three := request(time.Now()), request(time.Now()), request(time.Now())
	ep := one.Endpoint
	nowhere := store.Pointer{ID: event.RandomID(), ReceivedAt: one.Event.ReceivedAt}
	ctx, cancel := context.WithCancel(t.Context())
	claim := func(ctx context.Context, ps ...store.Pointer) func() error {
		return func() error {
			return s.Claim(ctx, claimOf(ps...), []store.Taken{{Endpoint: ep, Pointers: ps}})
		}
	}
	errs := oneGroup(t, s, cancel,
		add(t, s, one),
		claim(t.Context(), one.Event.Ref(), nowhere), // takes one pointer, then fails
		add(t, s, two),
		func() error { // gives a service a number, and is undone
			c := claimOf(nowhere)
			c.Service = "undone"
			return s.Claim(t.Context(), c, []store.Taken{{Endpoint: store.Endpoint{Service: "undone", Key: "a"}, Pointers: []store.Pointer{nowhere}}})
		},
		claim(ctx, two.Event.Ref()),
		claim(t.Context(), one.Event.Ref()),
		claim(t.Context(), one.Event.Ref()),
		add(t, s, three),
	)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], store.ErrConflict)
	require.NoError(t, errs[2])
	require.ErrorIs(t, errs[3], store.ErrConflict)
	require.ErrorIs(t, errs[4], context.Canceled)
	require.NoError(t, errs[5])
	require.ErrorIs(t, errs[6], store.ErrConflict)
	require.NoError(t, errs[7])

	n, err := s.Count(t.Context(), ep, time.Time{}, 0)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, ok := s.names.get(0, "undone")
	require.False(t, ok, "the undone number of a service is still cached")
	undone := request(time.Now())
	undone.Endpoint.Service = "undone"
	require.NoError(t, add(t, s, undone)())
	_, err = s.Events(t.Context(), "undone", []store.Member{undone.Event.Ref()})
	require.NoError(t, err)
}

// An op that has its group alone has no savepoint: its refusal undoes the transaction.
func TestARefusedOpThatIsAloneLeavesNothing(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	undone, other := store.Collection{Kind: "records", Scope: "undone"}, store.Collection{Kind: "records", Scope: "other"}
	created := store.Write{Collection: undone, Doc: store.Doc{ID: "a", Body: []byte("1")}}
	gone := store.Write{Collection: undone, Doc: store.Doc{ID: "b", Rev: "7", Body: []byte("1")}}
	commit := func(writes ...store.Write) error {
		_, err := s.Commit(t.Context(), writes)
		return err
	}
	ids := func(c store.Collection) []*store.Doc {
		docs, err := s.Get(t.Context(), c, []string{"a"})
		require.NoError(t, err)
		return docs
	}
	require.ErrorIs(t, commit(created, gone), store.ErrConflict)
	require.Equal(t, []*store.Doc{nil}, ids(undone))

	// The number that the first collection was given is free again.
	require.NoError(t, commit(store.Write{Collection: other, Doc: store.Doc{ID: "b", Body: []byte("1")}}))
	require.NoError(t, commit(created))
	require.NotNil(t, ids(undone)[0])
	require.Equal(t, []*store.Doc{nil}, ids(other))
}

func TestGroupFailsAsAWhole(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	broken := errors.New("broken")
	errs := oneGroup(t, s, nil,
		add(t, s, request(time.Now())),
		func() error {
			return s.w.do(&op{ctx: t.Context(), what: "test", run: func(*tx) error { return broken }})
		},
		add(t, s, request(time.Now())),
	)
	for _, err := range errs {
		require.ErrorIs(t, err, broken)
	}
	n, err := s.Count(t.Context(), store.Endpoint{Service: "s", Key: "a"}, time.Time{}, 0)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, add(t, s, request(time.Now()))())
}

// If a leader panics, the other callers get an error, and the writer stays usable.
func TestGroupSurvivesAPanic(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	errs := oneGroup(t, s, nil,
		func() (err error) {
			defer func() { err, _ = recover().(error) }()
			return s.w.do(&op{ctx: t.Context(), what: "test", run: func(*tx) error { panic(errors.New("boom")) }})
		},
		add(t, s, request(time.Now())),
	)
	require.EqualError(t, errs[0], "boom")
	require.ErrorContains(t, errs[1], "panicked")
	require.NoError(t, add(t, s, request(time.Now()))())
}

// If the appointed leader's caller leaves, the other ops are still committed.
func TestGroupWhoseLeaderLeaves(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	ctx, cancel := context.WithCancel(t.Context())
	errs := oneGroup(t, s, cancel,
		func() error { return s.Append(ctx, []store.Append{request(time.Now())})[0].Err },
		add(t, s, request(time.Now())),
		add(t, s, request(time.Now())),
	)
	require.ErrorIs(t, errs[0], context.Canceled)
	require.NoError(t, errors.Join(errs[1:]...))
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	require.NoError(t, add(t, s, request(time.Now()))())
	limit := func(pages string) {
		_, err := s.w.conn.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages)
		require.NoError(t, err)
	}
	limit("60")
	large := request(time.Now())
	large.Event.Content = []byte(strings.Repeat("x", 1<<20))
	errs := oneGroup(t, s, nil, add(t, s, request(time.Now())), add(t, s, large), add(t, s, request(time.Now())))
	for _, err := range errs {
		require.ErrorContains(t, err, "full")
	}
	n, err := s.Count(t.Context(), large.Endpoint, time.Time{}, 0)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, add(t, s, request(time.Now()))())
	limit("1000000")
	require.NoError(t, add(t, s, large)())
}

// While another process holds the file, a write waits no longer than its caller.
func TestLockedByAnotherProcess(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	var path string
	require.NoError(t, s.read.QueryRowContext(t.Context(), "SELECT file FROM pragma_database_list").Scan(&path))
	other, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer other.Close()
	conn, err := other.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	patient := make(chan error, 1)
	go func() { patient <- add(t, s, request(time.Now()))() }()
	err = s.Append(ctx, []store.Append{request(time.Now())})[0].Err
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, <-patient)
}

// A group that runs for too long commits the ops so far, and the next group gets the rest.
// Another process can write in between.
func TestALongGroupIsCutShort(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	var commits int
	s.w.afterCommit = func() error { commits++; return nil }
	calls := make([]func() error, 5)
	for i := range calls {
		calls[i] = add(t, s, request(time.Now()))
	}
	for _, err := range oneGroup(t, s, func() { s.w.longest = -1 }, calls...) {
		require.NoError(t, err)
	}
	require.Equal(t, len(calls), commits)
	ps, err := s.Pending(t.Context(), store.Endpoint{Service: "s", Key: "a"}, time.Time{}, 10)
	require.NoError(t, err)
	require.Len(t, ps, len(calls))
}

// Many events in one call are several commits, so that another process can write in between.
func TestManyEventsAreSeveralCommits(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	var commits int
	s.w.afterCommit = func() error { commits++; return nil }
	many := make([]store.Append, 2000)
	for i := range many {
		many[i] = request(time.Now())
	}
	for _, r := range s.Append(t.Context(), many) {
		require.NoError(t, r.Err)
	}
	require.Equal(t, 8, commits)
}
