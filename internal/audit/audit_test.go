package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// world is a store and an audit in it.
type world struct {
	*testing.T
	store drivertest.Store
	docs  store.Docs // what use cases get
	svc   *audit.Service
	now   time.Time
	log   bytes.Buffer
	ids   int
	fails error // of commits of the audit's own
}

// moody fails the commits that the audit makes itself.
type moody struct {
	store.Docs
	w *world
}

func (m moody) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if m.w.fails != nil {
		return nil, m.w.fails
	}
	return m.Docs.Commit(ctx, writes)
}

func worlds(t *testing.T, test func(w *world)) {
	drivertest.Each(t, func(t *testing.T, st drivertest.Store) {
		w := &world{T: t, store: st, docs: audit.Docs(store.Coded(st)), now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
		w.svc = audit.New(audit.Options{
			Docs: moody{st, w}, Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Now: func() time.Time { return w.now }, Keep: 24 * time.Hour,
			Random: func() string { w.ids++; return fmt.Sprintf("a%03d", w.ids) },
		})
		test(w)
	})
}

var things = store.Collection{Kind: "records", Scope: "things"}

// put commits a document, as a use case does.
func (w *world) put(ctx context.Context, id string) error {
	revs, err := w.docs.Commit(ctx, []store.Write{{Collection: things, Doc: store.Doc{ID: id, Body: []byte("x")}}})
	require.Equal(w, err == nil, len(revs) == 1, "a use case gets the revisions of its own writes")
	return err
}

func (w *world) do(when audit.When, action, object string, do func(ctx context.Context) error) error {
	w.now = w.now.Add(time.Second)
	return w.svc.Do(w.Context(), when, audit.Act{Who: "kate@example.com", Action: action, Object: object}, do)
}

func (w *world) list(f audit.Filter) (all []audit.Entry) {
	w.Helper()
	list, next, err := w.svc.List(w.Context(), f, store.Position{}, 100)
	require.NoError(w, err)
	require.Empty(w, next)
	return list
}

func (w *world) lines() (all []map[string]any) {
	for line := range strings.Lines(w.log.String()) {
		var m map[string]any
		require.NoError(w, json.Unmarshal([]byte(line), &m))
		delete(m, "time")
		all = append(all, m)
	}
	return all
}

// The entry is stored exactly if the first commit of the act is.
func TestAnActAndItsEntryAreOneCommit(t *testing.T) {
	t.Parallel()
	worlds(t, func(w *world) {
		w.fails = errors.New("the audit needs no commit of its own")
		require.NoError(w, w.do(audit.InCommit, "put", "/things/a", func(ctx context.Context) error {
			require.NoError(w, w.put(ctx, "a"))
			require.Len(w, w.list(audit.Filter{}), 1, "it is there before the act has ended")
			return w.put(ctx, "b")
		}))
		want := audit.Entry{ID: "a001", Time: w.now, Act: audit.Act{Who: "kate@example.com", Action: "put", Object: "/things/a"}, Outcome: audit.Done}
		require.Equal(w, []audit.Entry{want}, w.list(audit.Filter{}))
		require.Equal(w, []map[string]any{{
			"level": "INFO", "msg": "a person acted", "kind": "audit", "auditId": "a001", "who": "kate@example.com",
			"action": "put", "object": "/things/a", "outcome": "done",
		}}, w.lines())

		// A commit that is refused has no entry, and the next attempt has it.
		err := w.do(audit.InCommit, "put", "/things/a", func(ctx context.Context) error {
			require.ErrorIs(w, w.put(ctx, "a"), store.ErrConflict)
			return fault.New(fault.Conflict, "it is there")
		})
		require.Equal(w, fault.Conflict, fault.CodeOf(err))
		require.NoError(w, w.do(audit.InCommit, "look", "/things/a", func(context.Context) error { return nil }))
		require.Len(w, w.list(audit.Filter{}), 1)
		require.Len(w, w.lines(), 1)
		require.NoError(w, w.do(audit.InCommit, "put", "/things/c", func(ctx context.Context) error {
			require.ErrorIs(w, w.put(ctx, "a"), store.ErrConflict)
			return w.put(ctx, "c")
		}))
		require.Len(w, w.list(audit.Filter{}), 2)
		require.NoError(w, w.put(w.Context(), "d"))
		require.Len(w, w.list(audit.Filter{}), 2, "what nobody did by hand has no entry")
	})
}

// What is known only afterwards is added.
func TestWhatCameOfAnActIsAdded(t *testing.T) {
	t.Parallel()
	worlds(t, func(w *world) {
		err := w.do(audit.InCommit, "make", "/things", func(ctx context.Context) error {
			require.NoError(w, w.put(ctx, "a"))
			audit.Object(ctx, "/things/a")
			audit.Note(ctx, "runId", "r1")
			return fault.Wrap(fault.Unavailable, errors.New("hush"), "the run was not awaited")
		})
		require.Error(w, err)
		got := w.list(audit.Filter{})
		require.Len(w, got, 1)
		require.Equal(w, "/things/a", got[0].Object)
		require.Equal(w, map[string]string{"runId": "r1"}, got[0].Detail)
		require.Equal(w, audit.Done, got[0].Outcome, "it is committed, whatever came then")
		require.Equal(w, "the run was not awaited", got[0].Error)
		require.NotContains(w, w.log.String(), "hush")
		require.Equal(w, map[string]any{"runId": "r1"}, w.lines()[0]["detail"])
	})
}

// An act that is no commit has its entry before it begins, or is not done.
func TestAnActThatIsNoCommitIsRecordedBefore(t *testing.T) {
	t.Parallel()
	worlds(t, func(w *world) {
		w.fails = errors.New("away")
		err := w.do(audit.Before, "replay", "/messages/m", func(context.Context) error { panic("it must not be done") })
		require.Equal(w, fault.Unavailable, fault.CodeOf(err))
		require.Empty(w, w.lines())
		w.fails = nil

		require.NoError(w, w.do(audit.Before, "replay", "/messages/m", func(ctx context.Context) error {
			require.Equal(w, audit.Begun, w.list(audit.Filter{})[0].Outcome)
			require.NoError(w, w.put(ctx, "a"), "a commit has no second entry")
			return nil
		}))
		require.Error(w, w.do(audit.Before, "replay", "/messages/n", func(context.Context) error { return errors.New("hush") }))
		require.Panics(w, func() {
			_ = w.do(audit.Before, "replay", "/messages/o", func(context.Context) error { panic("the process dies") })
		})
		var got []string
		for _, e := range w.list(audit.Filter{}) {
			got = append(got, e.Object+" "+string(e.Outcome)+" "+e.Error)
		}
		require.Equal(w, []string{"/messages/o begun ", "/messages/n failed internal error", "/messages/m done "}, got)
		require.NotContains(w, w.log.String(), "hush")
	})
}

// A commit that is as large as it may be leaves no room: the entry follows it.
func TestALargeCommitIsFollowedByItsEntry(t *testing.T) {
	t.Parallel()
	worlds(t, func(w *world) {
		large := func(ctx context.Context, prefix string) error {
			writes := make([]store.Write, w.docs.Limits().MaxCommit)
			for i := range writes {
				writes[i] = store.Write{Collection: things, Doc: store.Doc{ID: fmt.Sprint(prefix, i), Body: []byte("x")}}
			}
			_, err := w.docs.Commit(ctx, writes)
			return err
		}
		require.NoError(w, w.do(audit.InCommit, "relink", "/things", func(ctx context.Context) error { return large(ctx, "") }))
		require.Len(w, w.list(audit.Filter{}), 1)
		require.Len(w, w.lines(), 1)

		// The documents stay, whatever fails after their commit. So does the entry.
		require.Error(w, w.do(audit.InCommit, "relink", "/more", func(ctx context.Context) error {
			require.NoError(w, large(ctx, "more"))
			return fault.New(fault.Unavailable, "the rest was not done")
		}))
		require.Equal(w, "/more", w.list(audit.Filter{})[0].Object)
		require.Equal(w, "the rest was not done", w.list(audit.Filter{})[0].Error)
		require.Len(w, w.lines(), 2)
	})
}

func TestEntriesAreListed(t *testing.T) {
	t.Parallel()
	worlds(t, func(w *world) {
		began := w.now
		for i := range 250 { // more than one read
			act := audit.Act{Who: fmt.Sprint("p", i%2, "@example.com"), Action: []string{"put", "delete"}[i%5/4], Object: fmt.Sprint("/sync/s", i%10, "/runs")}
			w.now = began.Add(time.Duration(i/2) * time.Second) // two at the same time
			require.NoError(w, w.svc.Do(w.Context(), audit.Before, act, func(context.Context) error { return nil }))
		}
		pages := func(f audit.Filter, limit int) (ids []string) {
			for after := (store.Position{}); ; {
				list, next, err := w.svc.List(w.Context(), f, after, limit)
				require.NoError(w, err)
				require.LessOrEqual(w, len(list), limit)
				for _, e := range list {
					ids = append(ids, e.ID)
				}
				if after = next; next == (store.Position{}) {
					return ids
				}
			}
		}
		id := func(i int) string { return fmt.Sprintf("a%03d", i+1) }
		for name, c := range map[string]struct {
			filter audit.Filter
			takes  func(i int) bool
		}{
			"all":                 {audit.Filter{}, func(int) bool { return true }},
			"who":                 {audit.Filter{Who: "P1@Example.com"}, func(i int) bool { return i%2 == 1 }},
			"action":              {audit.Filter{Action: "delete"}, func(i int) bool { return i%5 == 4 }},
			"object":              {audit.Filter{Object: "/sync/s3/runs"}, func(i int) bool { return i%10 == 3 }},
			"below":               {audit.Filter{Object: "/sync/s3"}, func(i int) bool { return i%10 == 3 }},
			"no prefix of a name": {audit.Filter{Object: "/sync/s"}, func(int) bool { return false }},
			"time":                {audit.Filter{Since: began.Add(10 * time.Second), Until: began.Add(100 * time.Second)}, func(i int) bool { return i/2 >= 10 && i/2 < 100 }},
			"several": {audit.Filter{Who: "p0@example.com", Action: "put", Until: began.Add(20 * time.Second)},
				func(i int) bool { return i%2 == 0 && i%5 < 4 && i/2 < 20 }},
		} {
			var want []string
			for i := range 250 {
				if c.takes(i) {
					want = append([]string{id(i)}, want...)
				}
			}
			for _, limit := range []int{1, 7, 200, 1000} {
				require.Equal(w, want, pages(c.filter, limit), "%s, pages of %d", name, limit)
			}
		}
	})
}

// An entry names a person, so it does not stay for ever.
func TestEntriesExpire(t *testing.T) {
	t.Parallel()
	worlds(t, func(w *world) {
		require.NoError(w, w.do(audit.InCommit, "put", "/things/a", func(ctx context.Context) error { return w.put(ctx, "a") }))
		docs, err := w.store.Get(w.Context(), store.Collection{Kind: "audit"}, []string{"a001"})
		require.NoError(w, err)
		require.Equal(w, w.now.Add(24*time.Hour+time.Second), docs[0].ExpireAt.UTC())
	})
}
