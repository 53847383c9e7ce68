package run_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func notes() *mapping.Type {
	return &mapping.Type{Delete: &mapping.Delete{Missing: true}, Fields: map[string]mapping.Field{"note": {From: "note"}}}
}

func (w *world) note(id, text string) {
	w.t.Helper()
	w.wait(time.Minute)
	w.put(id, map[string]any{"note": text})
}

// A database stores some keys otherwise than they are sent. The row and the record stay one:
// edits go both ways, and so does the deletion.
func TestAKeyThatTheSourceSpellsOtherwiseIsOneRecord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ place, typ, ours, theirs string }{
		"postgres uuid":        {"postgres", "uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		"postgres integer":     {"postgres", "integer", "007", "7"},
		"postgres char":        {"postgres", "char(5)", "abc", "abc  "},
		"postgres numeric":     {"postgres", "numeric(8,2)", "1.500", "1.50"},
		"postgres timestamptz": {"postgres", "timestamptz", "2026-01-02T10:00:00+05:00", "2026-01-02T05:00:00Z"},
		"mysql integer":        {"mysql", "integer", "007", "7"},
		"mysql char":           {"mysql", "char(5)", "abc  ", "abc"},
		"mysql decimal":        {"mysql", "decimal(8,2)", "1.500", "1.50"},
		"sqlite integer":       {"sqlite", "integer", "007", "7"},
		"api":                  {"api", "", "abc", "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := opens[c.place](t, []string{"id", "note"}, columnTypes{"id": c.typ})
			w := worldWith(t, o, notes())
			w.finished(syncrun.Start{})
			w.note(c.ours, "ours")
			one := func(note string) {
				t.Helper()
				w.wait(time.Minute)
				w.finished(syncrun.Start{})
				w.wait(time.Minute)
				again := w.finished(syncrun.Start{})
				require.Zero(t, again.Counts.Created+again.Counts.Updated+again.Counts.Deleted)
				require.Equal(t, map[string]map[string]any{c.ours: {"note": note}}, w.records())
				require.Len(t, o.rows(), 1)
				require.Equal(t, note, o.rows()[0]["note"])
			}
			one("ours")
			o.put(map[string]string{"id": c.theirs, "note": "theirs"})
			one("theirs")
			w.note(c.ours, "ours again")
			one("ours again")
			require.NoError(t, w.ents.Delete(context.Background(), "acme", "item", c.ours, ""))
			w.wait(time.Minute)
			w.finished(syncrun.Start{})
			require.Empty(t, o.rows())
			require.Empty(t, w.records())
		})
	}
}

// A source that takes the key ABC for that of the row abc keeps that row: the record ABC is
// refused, and the record abc stays its only one.
func TestARecordDoesNotOverwriteTheRowOfAnother(t *testing.T) {
	t.Parallel()
	for place, typ := range map[string]string{
		"postgres": "text COLLATE folded", "mysql": "varchar(50) COLLATE utf8mb4_general_ci", "sqlite": "text COLLATE NOCASE", "api": "",
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			o := opens[place](t, []string{"id", "note"}, columnTypes{"id": typ})
			w := worldWith(t, o, notes())
			o.put(map[string]string{"id": "abc", "note": "theirs"})
			w.finished(syncrun.Start{})
			w.note("ABC", "ours")
			for range 2 {
				w.wait(time.Minute)
				run := w.run(syncrun.Start{})
				require.Equal(t, int64(1), run.Counts.Rejected)
				require.Zero(t, run.Counts.Created)
				require.Equal(t, []map[string]string{{"id": "abc", "note": "theirs"}}, o.rows())
				require.Len(t, w.records(), 2)
			}
			rejects, _, err := w.svc.Rejects(context.Background(), "s", "", 10)
			require.NoError(t, err)
			require.Len(t, rejects, 1)
			require.Contains(t, rejects[0].Reason, `the row "abc", which belongs to the record "abc"`)
			// The row goes away, and its key is free.
			require.NoError(t, w.ents.Delete(context.Background(), "acme", "item", "abc", ""))
			w.wait(time.Minute)
			w.run(syncrun.Start{AllowDeletes: true})
			w.wait(time.Minute)
			w.run(syncrun.Start{})
			w.wait(time.Minute)
			require.Equal(t, map[string]map[string]any{"ABC": {"note": "ours"}}, w.records())
			require.Equal(t, []map[string]string{{"id": "ABC", "note": "ours"}}, o.rows())
		})
	}
}

// A row is made at the source while a push is about to create it. The rule decides, not the
// order in which the two arrive.
func TestACreationThatMeetsARowIsAConflict(t *testing.T) {
	t.Parallel()
	for rule, want := range map[definition.Rule]string{definition.SourceWins: "theirs", definition.StoreWins: "ours", definition.Manual: "ours"} {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(s *definition.Sync) { s.Conflict, s.MaxRejected = rule, new(1.0) })
			w.source.folds = true
			w.finished(syncrun.Start{})
			w.put("A", map[string]any{"name": "ours"})
			w.source.beforePush = func() error {
				w.source.beforePush = nil
				w.source.put("a", map[string]any{"name": "theirs"})
				return nil
			}
			run := w.run(syncrun.Start{})
			require.Equal(t, []int64{1, 1}, []int64{run.Counts.Conflicts, run.Counts.Rejected})
			require.Equal(t, "theirs", w.source.live()["a"]["name"], "nothing was overwritten")
			w.wait(time.Minute)
			w.run(syncrun.Start{})
			require.Equal(t, map[string]map[string]any{"A": {"name": want}}, w.records())
			if rule == definition.StoreWins {
				require.Equal(t, "ours", w.source.live()["a"]["name"])
			}
			list, _, err := w.svc.Rejects(context.Background(), "s", "", 10)
			require.NoError(t, err)
			require.Empty(t, list)
		})
	}
}

// A sync that only pushes never reads the row, so a person has to decide once for all.
func TestAPushAloneOverwritesOnlyByTheRule(t *testing.T) {
	t.Parallel()
	for rule, want := range map[definition.Rule]string{definition.SourceWins: "theirs", definition.StoreWins: "ours"} {
		w := newWorld(t, func(s *definition.Sync) { s.Conflict, s.Type, s.MaxRejected = rule, definition.Push, new(1.0) })
		w.source.put("a", map[string]any{"name": "theirs"})
		w.put("a", map[string]any{"name": "ours"})
		w.run(syncrun.Start{})
		require.Equal(t, want, w.source.live()["a"]["name"])
		list, _, err := w.svc.Rejects(context.Background(), "s", "", 10)
		require.NoError(t, err)
		require.Equal(t, rule == definition.SourceWins, len(list) == 1)
	}
}

// The answer to a creation is lost, and the row has another key than was sent. The next pull
// takes it for the record's.
func TestARowOfALostAnswerIsFoundUnderItsOwnKey(t *testing.T) {
	t.Parallel()
	for loss, lose := range losses {
		t.Run(loss, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.source.folds = true
			for _, id := range []string{"A", "B", "C", "D"} {
				w.put(id, map[string]any{"name": "ours " + id})
			}
			lose(w)
			w.heals()
			w.put("D", map[string]any{"name": "later"})
			w.finished(syncrun.Start{})
			w.wait(time.Minute)
			w.finished(syncrun.Start{})
			require.Len(t, w.records(), 4)
			require.Len(t, w.source.live(), 4)
			require.Equal(t, "later", w.records()["D"]["name"])
			require.Equal(t, "later", w.source.live()["d"]["name"])
			require.Zero(t, w.unanswered())
		})
	}
}
