package run_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// People edit both sides in any order, and runs fail and die in between. After a few quiet
// runs both sides have the same records.
func TestBothSidesConverge(t *testing.T) {
	t.Parallel()
	for _, rule := range []definition.Rule{definition.SourceWins, definition.StoreWins, definition.Newest, definition.Manual} {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(r *rapid.T) { converge(t, r, rule) })
		})
	}
}

func converge(t *testing.T, r *rapid.T, rule definition.Rule) {
	w := newWorld(t, func(s *definition.Sync) {
		s.Conflict = rule
		all := 100.0
		s.MaxDeletes = &all
	})
	defer w.store.Close()
	w.source.chooses = rapid.Bool().Draw(r, "the source chooses keys")
	w.source.pageSize = rapid.IntRange(1, 5).Draw(r, "page size")
	ids := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
	fields := rapid.SampledFrom([]string{"name", "note"})
	for range rapid.IntRange(1, 25).Draw(r, "steps") {
		w.wait(time.Duration(rapid.IntRange(0, 3).Draw(r, "wait")) * 20 * time.Second)
		id, field := ids.Draw(r, "id"), fields.Draw(r, "field")
		value := fmt.Sprint("v", rapid.IntRange(0, 3).Draw(r, "value"))
		switch rapid.SampledFrom([]string{"source", "store", "source", "store", "remove", "delete", "run", "pull", "fail", "die", "decide"}).Draw(r, "step") {
		case "source":
			w.source.put(id, map[string]any{field: value})
		case "remove":
			w.source.remove(id)
		case "store":
			_, err := w.ents.Patch(context.Background(), "acme", "item", id, map[string]any{field: value}, "")
			if fault.CodeOf(err) == fault.NotFound {
				w.put(id, map[string]any{field: value})
			} else {
				require.NoError(r, err)
			}
		case "delete":
			if err := w.ents.Delete(context.Background(), "acme", "item", id, ""); err != nil {
				require.Equal(r, fault.NotFound, fault.CodeOf(err))
			}
		case "run":
			w.run(syncrun.Start{})
		case "pull":
			w.run(syncrun.Start{Method: syncrun.DoPull})
		case "fail":
			misbehave(r, w)
			w.run(syncrun.Start{})
			w.source.beforePage, w.source.beforePush, w.source.afterPush = nil, nil, nil
		case "die":
			w.die(rapid.IntRange(0, 4).Draw(r, "page"))
		case "decide":
			w.decideAll(r, rapid.SampledFrom([]string{"source", "store"}).Draw(r, "choice"))
		}
	}
	for range 3 { // a decision may be made while its record is being pushed
		w.wait(time.Hour)
		w.finished(syncrun.Start{})
		w.decideAll(r, "source")
	}
	w.wait(time.Hour)
	run := w.finished(syncrun.Start{})
	require.Zero(r, run.Counts.Created+run.Counts.Updated+run.Counts.Deleted, "it has come to rest")
	there := w.source.live()
	for _, row := range there {
		delete(row, "id")
	}
	if !w.source.chooses { // otherwise a record may have another id than its row
		require.Equal(r, there, w.records())
	}
	require.ElementsMatch(r, slices.Collect(maps.Values(there)), slices.Collect(maps.Values(w.records())))
}

// misbehave makes the source fail once, somewhere.
func misbehave(r *rapid.T, w *world) {
	at := rapid.IntRange(0, 3).Draw(r, "fails at")
	switch rapid.SampledFrom([]string{"page", "before push", "after push"}).Draw(r, "where") {
	case "page":
		w.source.beforePage = func(n int) error {
			if n == at {
				return errAway
			}
			return nil
		}
	case "before push":
		w.source.beforePush = func() error { return errAway }
	case "after push":
		w.source.afterPush = func() error { return errAway }
	}
}

// die starts a run in a process that dies before the page. Its lease runs out.
func (w *world) die(page int) {
	ctx, kill := context.WithCancel(context.Background())
	defer kill()
	dead := w.service()
	w.source.beforePage = func(n int) error {
		if n >= page {
			kill()
			<-ctx.Done()
			return errors.New("killed")
		}
		return nil
	}
	run, err := dead.Start(ctx, "s", syncrun.Start{})
	if err == nil {
		_, err = dead.Wait(ctx, "s", run.ID, nil)
	}
	_ = err // the process is dead, or its run ended before
	_ = dead.Close(context.Background())
	w.source.beforePage = nil
	w.wait(time.Minute)
}

func (w *world) decideAll(r *rapid.T, choice string) {
	list, _, err := w.svc.Conflicts(context.Background(), "s", "", 100)
	require.NoError(r, err)
	for _, c := range list {
		_, err := w.svc.Decide(context.Background(), "s", c.Datatype, c.RecordID, syncrun.Decision{Choose: choice})
		if err != nil {
			require.Equal(r, fault.NotFound, fault.CodeOf(err))
		}
	}
}
