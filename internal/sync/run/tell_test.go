package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// everySubscription is an outbox of which somebody wants everything.
var everySubscription = &occurrence.Outbox{
	Subscribed: func(context.Context, string, string) bool { return true }, Stored: func() {},
}

// telling makes the world's services tell of what they do.
func (w *world) telling() {
	w.svc = w.tellingOn(w.store)
	w.ents = entity.New(entity.Options{Docs: w.store, Now: w.now, Outbox: everySubscription})
}

func (w *world) tellingOn(docs store.Docs) *syncrun.Service {
	return w.serviceWith(docs, func(o *syncrun.Options) { o.Outbox = everySubscription })
}

func (w *world) occurrences() (all []occurrence.Occurrence) {
	w.t.Helper()
	docs, err := w.store.List(context.Background(), store.Listing{Collection: occurrence.Collection, ByOrder: true, Limit: 1000})
	require.NoError(w.t, err)
	for _, d := range docs {
		e, err := occurrence.Parse(d)
		require.NoError(w.t, err)
		all = append(all, e.Occurrence)
	}
	return all
}

// changes returns the changes of records that were told, as id@version.
func (w *world) changes() (list []string) {
	w.t.Helper()
	for _, o := range w.occurrences() {
		if o.Type != occurrence.Records {
			continue
		}
		require.Equal(w.t, []string{"acme/item", "/orgs/acme/item"}, []string{o.Subject, o.Source})
		var data struct{ Records []occurrence.Changed }
		require.NoError(w.t, json.Unmarshal(o.Data, &data))
		require.LessOrEqual(w.t, len(data.Records), 500)
		for _, c := range data.Records {
			list = append(list, fmt.Sprintf("%s@%d", c.ID, c.Version))
		}
	}
	slices.Sort(list)
	return list
}

// versions returns all versions that the records ever had, as id@version.
func (w *world) versions() (list []string) {
	w.t.Helper()
	all, _, err := w.ents.List(context.Background(), "acme", "item", "", 10_000, true)
	require.NoError(w.t, err)
	for _, e := range all {
		for v := range e.Version {
			list = append(list, fmt.Sprintf("%s@%d", e.ID, v+1))
		}
	}
	slices.Sort(list)
	return list
}

// Every version of every record is told exactly once, whoever wrote it, and wherever a
// process died.
func TestEveryChangeOfARecordIsTold(t *testing.T) {
	t.Parallel()
	for _, lostAnswer := range []bool{false, true} {
		for commits := range 14 {
			t.Run(fmt.Sprintf("commits=%d,lostAnswer=%v", commits, lostAnswer), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				w.telling()
				w.source.pageSize = 5
				for i := range 12 {
					w.source.put(fmt.Sprint("theirs-", i), map[string]any{"name": fmt.Sprint("n", i)})
					w.put(fmt.Sprint("ours-", i), map[string]any{"name": fmt.Sprint("m", i)})
				}
				docs := &dyingStore{Docs: w.store, lostAnswer: lostAnswer}
				docs.left.Store(int64(commits))
				doomed := w.tellingOn(docs)
				if _, err := doomed.Start(context.Background(), "s", syncrun.Start{}); err == nil {
					_ = doomed.Close(context.Background()) // waits for its end
				}
				w.wait(time.Minute) // its lease runs out
				w.takeOver()
				w.wait(time.Hour)
				w.source.remove("theirs-1")
				w.source.put("theirs-2", map[string]any{"name": "new"})
				w.put("theirs-3", map[string]any{"name": "edited"})
				require.NoError(t, w.ents.Delete(t.Context(), "acme", "item", "ours-1", ""))
				w.finished(syncrun.Start{})
				require.Equal(t, w.versions(), w.changes())
			})
		}
	}
}

// limited is a store whose commits take little, so that a page is several of them.
type limited struct {
	store.Docs
	most store.Limits
}

func (l limited) Limits() store.Limits { return l.most }

// A page that is several commits tells in each of them of the records that it changes.
func TestEachPartOfAPageTells(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.telling()
	for i := range 300 {
		w.source.put(fmt.Sprintf("%03d", i), map[string]any{"name": "n"})
	}
	docs := limited{w.store, store.Limits{MaxCommit: 60, MaxCommitBytes: 80_000, MaxDocBytes: 80_000}}
	run, err := w.tellingOn(docs).Start(t.Context(), "s", syncrun.Start{Method: syncrun.DoPull})
	require.NoError(t, err)
	run, err = w.svc.Wait(t.Context(), "s", run.ID, nil)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
	require.Len(t, w.changes(), 300)
	require.Equal(t, w.versions(), w.changes())
}

// A run that fails or rejects rows is told once, with what its report says; a run that ends
// well is not.
func TestRunsThatGoWrongAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.telling()
	runs := func() map[string]string {
		told := map[string]string{}
		for _, o := range w.occurrences() {
			if o.Type == occurrence.Records {
				continue
			}
			require.Equal(t, []string{"s", "/sync/s"}, []string{o.Subject, o.Source})
			var run syncrun.Run
			require.NoError(t, json.Unmarshal(o.Data, &run))
			require.Equal(t, o.ID, run.ID)
			require.Empty(t, told[o.ID])
			told[o.ID] = o.Type + " " + string(run.State)
		}
		return told
	}
	w.source.put("a", map[string]any{"name": "n"})
	w.finished(syncrun.Start{})
	require.Empty(t, runs())
	want := map[string]string{}
	for i := range 20 {
		w.source.put(fmt.Sprint("good-", i), map[string]any{"name": "n"})
	}
	w.source.put("bad", map[string]any{"value": "no number"})
	w.wait(time.Hour)
	run := w.run(syncrun.Start{Method: syncrun.DoPull})
	require.Equal(t, syncrun.Partial, run.State)
	want[run.ID] = occurrence.RunPartial + " partial"
	require.Equal(t, want, runs())
	w.source.beforePage = func(int) error { return errDead }
	run = w.run(syncrun.Start{Method: syncrun.DoPull})
	require.Equal(t, syncrun.Failed, run.State)
	want[run.ID] = occurrence.RunFailed + " failed"
	require.Equal(t, want, runs())
}

// A run whose process died fails when another run takes its place, and when its sync is
// deleted. Both are told.
func TestRunsOfDeadProcessesAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.telling()
	die := func() string {
		docs := &dyingStore{Docs: w.store}
		docs.left.Store(2)
		doomed := w.tellingOn(docs)
		run, err := doomed.Start(context.Background(), "s", syncrun.Start{})
		require.NoError(t, err)
		_ = doomed.Close(context.Background())
		w.wait(time.Minute)
		return run.ID
	}
	first := die()
	w.finished(syncrun.Start{})
	second := die()
	ledger := syncrun.NewLedger(w.store, w.now)
	ledger.Outbox = everySubscription
	defs := definition.New(definition.Options{Docs: w.store, Runs: ledger, Now: w.now, Random: w.id})
	require.NoError(t, defs.Delete(t.Context(), "s", ""))
	told := map[string]string{}
	for _, o := range w.occurrences() {
		told[o.ID] = o.Type
	}
	require.Equal(t, map[string]string{first: occurrence.RunFailed, second: occurrence.RunFailed}, told)
}
