package run_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// redefined stores the sync with the change, under its id; anew: after its deletion.
func (w *world) redefined(anew bool, change func(s *definition.Sync)) {
	w.t.Helper()
	def, item := *w.def, *w.def.Mapping["item"]
	def.Mapping = map[string]*mapping.Type{"item": &item}
	change(&def)
	var err error
	if anew {
		require.NoError(w.t, w.defs.Delete(w.t.Context(), "s", ""))
		_, err = w.defs.Create(w.t.Context(), &def)
	} else {
		_, err = w.defs.Update(w.t.Context(), "s", &def, "")
	}
	require.NoError(w.t, err)
}

// Records keep their rows when the key changes or the sync's id is used for another source:
// the plan shows which, stores nothing, and afterwards no record and no row is there twice.
func TestRelinkedRecordsKeepTheirRows(t *testing.T) {
	t.Parallel()
	for name, anew := range map[string]bool{"another key": false, "another source": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			for i := range 450 {
				w.source.put(fmt.Sprint(i), map[string]any{"name": fmt.Sprintf("n%d", i)})
			}
			w.source.put("gone", map[string]any{"name": "gone"})
			w.put("ours", map[string]any{"name": "made here"})
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			_, err := w.svc.Relink(t.Context(), "s", true)
			require.Equal(t, fault.Conflict, fault.CodeOf(err), "nothing to do")

			w.redefined(anew, func(s *definition.Sync) {
				if anew {
					s.Datasource.URL = "https://other.example.com/"
				} else {
					s.Mapping["item"].Key = []string{"name"}
				}
			})
			w.source.forget("gone")
			w.source.put("new", map[string]any{"name": "new"})
			w.put("7", map[string]any{"name": "n7", "note": "edited here"})
			before := w.everything()
			plan, err := w.svc.Relink(t.Context(), "s", false)
			require.NoError(t, err)
			require.False(t, plan.Stored)
			require.Equal(t, before, w.everything())
			item := plan.Datatypes["item"]
			require.Equal(t, []int{452, 451, 1, 1}, []int{item.Rows, item.Linked, item.Without, item.Unlinked})
			require.Equal(t, []string{"gone"}, item.UnlinkedExamples)
			require.Equal(t, []string{"new"}, item.WithoutExamples)
			_, err = w.svc.Start(t.Context(), "s", syncrun.Start{})
			require.Equal(t, fault.Conflict, fault.CodeOf(err), "a plan allows no run")

			done, err := w.svc.Relink(t.Context(), "s", true)
			require.NoError(t, err)
			require.True(t, done.Stored)
			require.Equal(t, item, done.Datatypes["item"])
			run := w.finished(syncrun.Start{Method: syncrun.DoPull})
			require.Equal(t, int64(1), run.Counts.Created)
			require.Zero(t, run.Counts.Updated+run.Counts.Deleted)
			require.Len(t, w.records(), 453)
			w.redefinedKeyStays()
		})
	}
}

// redefinedKeyStays reports that runs go on, and that nothing is left to link.
func (w *world) redefinedKeyStays() {
	w.t.Helper()
	w.wait(time.Hour)
	require.Zero(w.t, w.finished(syncrun.Start{Method: syncrun.DoPull}).Counts.Created)
	_, err := w.svc.Relink(w.t.Context(), "s", true)
	require.Equal(w.t, fault.Conflict, fault.CodeOf(err))
}

// A process may die at each commit. No run starts before the links are complete, another
// definition cannot complete them, and the same one can.
func TestRelinkIsFinishedAfterAProcessDied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 450 {
		w.source.put(fmt.Sprint(i), map[string]any{"name": fmt.Sprintf("n%d", i), "note": fmt.Sprintf("x%d", i)})
	}
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	keyed := func(column string) func(*definition.Sync) {
		return func(s *definition.Sync) { s.Mapping["item"].Key = []string{column} }
	}
	w.redefined(false, keyed("name"))
	deaths := 0
	for commits := int64(1); ; commits++ {
		dying := &dyingStore{Docs: w.store, lostAnswer: commits%2 == 0}
		dying.left.Store(commits)
		_, err := w.serviceOn(dying).Relink(t.Context(), "s", true)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errDead)
		deaths++
		for _, column := range []string{"id", "note"} {
			w.redefined(false, keyed(column))
			_, err = w.svc.Start(t.Context(), "s", syncrun.Start{})
			require.ErrorContains(t, err, "did not end", column)
			_, err = w.svc.Relink(t.Context(), "s", true)
			require.ErrorContains(t, err, "with the definition that it had then", column)
		}
		w.redefined(false, keyed("name"))
	}
	require.Greater(t, deaths, 2)
	run := w.finished(syncrun.Start{})
	require.Zero(t, run.Counts.Created+run.Counts.Updated+run.Counts.Deleted)
	require.Len(t, w.records(), 450)
	require.Len(t, w.source.live(), 450)
}

// A key that does not tell rows apart, and one that could be another row's old key, are refused.
func TestRelinkRefusesKeysThatMeanTwoRows(t *testing.T) {
	t.Parallel()
	for name, names := range map[string][2]string{"two rows have the new key": {"same", "same"}, "could mean either": {"b", "c"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.source.put("a", map[string]any{"name": names[0]})
			w.source.put("b", map[string]any{"name": names[1]})
			w.finished(syncrun.Start{})
			w.wait(time.Minute)
			w.redefined(false, func(s *definition.Sync) { s.Mapping["item"].Key = []string{"name"} })
			before := w.everything()
			_, err := w.svc.Relink(t.Context(), "s", true)
			require.Equal(t, fault.Conflict, fault.CodeOf(err))
			require.ErrorContains(t, err, name)
			require.Equal(t, before, w.everything())
		})
	}
}

// A new key that is the old key of a record whose row is gone is refused: after a call that
// was cut off, that record's link would be taken for one that is new already.
func TestRelinkRefusesTheKeyOfALostRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("5", map[string]any{"name": "five"})
	w.finished(syncrun.Start{})
	w.wait(time.Minute)
	w.source.forget("5")
	w.source.put("7", map[string]any{"name": "5"})
	w.redefined(false, func(s *definition.Sync) { s.Mapping["item"].Key = []string{"name"} })
	before := w.everything()
	for _, confirmed := range []bool{false, true} {
		_, err := w.svc.Relink(t.Context(), "s", confirmed)
		require.Equal(t, fault.Conflict, fault.CodeOf(err))
		require.ErrorContains(t, err, `the new key "5" of a row is the old key of the record "5"`)
	}
	require.Equal(t, before, w.everything())
}

// The keys of the rows take memory of the runs' budget: a source that has too many of them is
// refused, nothing is stored, and in the end the budget has everything back.
func TestRelinkTakesItsMemory(t *testing.T) {
	t.Parallel()
	const rows = 5000
	w := newWorld(t, nil)
	for i := range rows {
		w.source.put(fmt.Sprint(i), map[string]any{"name": fmt.Sprintf("n%d", i)})
	}
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.redefined(false, func(s *definition.Sync) { s.Mapping["item"].Key = []string{"name"} })
	before := w.everything()
	relink := func(room int64) error {
		memory := budget.New(16<<20 + room)
		svc := w.serviceWith(w.store, func(o *syncrun.Options) { o.Memory = memory })
		_, err := svc.Relink(t.Context(), "s", true)
		require.Zero(t, memory.Used())
		return err
	}
	err := relink(rows * 100)
	require.Equal(t, fault.TooLarge, fault.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "rows need more memory than this process has for syncs")
	require.Equal(t, before, w.everything())
	require.NoError(t, relink(rows*300))
}

// forget removes a row without a trace.
func (m *memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, id)
}
