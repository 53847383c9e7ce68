package run_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

// People edit both sides in any order, and runs fail and die in between. After a few quiet
// runs both sides have the same records. What was pushed never overwrites what was
// acknowledged here afterwards: each field has the last value that it was given here, or
// one that the source gave it.
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
	spells := rapid.Bool().Draw(r, "the source spells values otherwise")
	w := newWorld(t, func(s *definition.Sync) {
		s.Conflict = rule
		all := 100.0
		s.MaxDeletes = &all
		if spells {
			s.Mapping["item"].Fields["note"] = mapping.Field{From: "note", Type: "json"}
		}
	})
	defer w.store.Close()
	if spells {
		w.source.stores = otherJSON
	}
	w.source.chooses = rapid.Bool().Draw(r, "the source chooses keys")
	// The records a, b and c are made here, and have other keys there.
	w.source.folds = !w.source.chooses && rapid.Bool().Draw(r, "the source spells keys otherwise")
	w.source.blind = rapid.Bool().Draw(r, "the source takes what arrives")
	w.source.silent = rapid.Bool().Draw(r, "a push does not move the cursor's column")
	m := model{here: map[string]map[string]string{}, there: map[string]bool{}, gone: map[string]bool{}}
	w.source.pageSize = rapid.IntRange(1, 5).Draw(r, "page size")
	ids := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
	fields := rapid.SampledFrom([]string{"name", "note"})
	for range rapid.IntRange(1, 25).Draw(r, "steps") {
		w.wait(time.Duration(rapid.IntRange(0, 3).Draw(r, "wait")) * 20 * time.Second)
		key, field := ids.Draw(r, "id"), fields.Draw(r, "field")
		id := key
		if w.source.folds && key < "d" {
			id = strings.ToUpper(key)
		}
		value := fmt.Sprint("v", rapid.IntRange(0, 3).Draw(r, "value"))
		switch rapid.SampledFrom([]string{"source", "store", "source", "store", "remove", "delete", "run", "pull", "fail", "fail", "die", "die in a push", "decide"}).Draw(r, "step") {
		case "source":
			if id != key && w.source.rows[key] == nil {
				continue
			}
			m.there[id] = true
			theirs := any(value)
			if spells && field == "note" {
				theirs = otherJSON(strconv.Quote(value))
			}
			w.source.put(key, map[string]any{field: theirs})
		case "remove":
			m.there[id], m.gone[id] = true, true
			w.source.remove(key)
		case "store":
			m.edit(r, w, id, field)
		case "delete":
			m.delete(r, w, id)
		case "run":
			w.runToRest(syncrun.Start{})
		case "pull":
			w.runToRest(syncrun.Start{Method: syncrun.DoPull})
		case "fail":
			misbehave(r, w)
			if rapid.Bool().Draw(r, "people edit meanwhile") {
				w.source.duringPush = func(changes []source.Change) {
					w.source.duringPush = nil
					m.edit(r, w, changes[0].ID, field)
				}
			}
			w.runToRest(syncrun.Start{})
			w.source.beforePage = nil
			w.heals()
		case "die":
			w.die(rapid.IntRange(0, 4).Draw(r, "page"))
		case "die in a push":
			w.killedDuringPush()
			w.heals()
			if rapid.Bool().Draw(r, "another continues") {
				m.edit(r, w, id, field)
				_, _, err := w.svc.Due(context.Background())
				require.NoError(r, err)
				w.rest()
			}
		case "decide":
			w.decideAll(r, rapid.SampledFrom([]string{"source", "store"}).Draw(r, "choice"))
		}
	}
	for range 3 { // a decision may be made while its record is being pushed
		w.wait(time.Hour)
		w.finishedToRest()
		w.decideAll(r, "source")
	}
	w.wait(time.Hour)
	run := w.finishedToRest()
	require.Zero(r, run.Counts.Created+run.Counts.Updated+run.Counts.Deleted, "both sides are equal")
	there := w.source.live()
	for key, row := range maps.Clone(there) {
		delete(row, "id")
		if up := strings.ToUpper(key); w.source.folds && key < "d" {
			delete(there, key)
			there[up] = row
		}
		if text, ok := row["note"].(string); ok && spells {
			row["note"] = strings.Trim(text, ` "`)
		}
	}
	m.check(r, w)
	require.Zero(r, w.unanswered())
	if !w.source.chooses { // otherwise a record may have another id than its row
		require.Equal(r, there, w.records())
	}
	require.ElementsMatch(r, slices.Collect(maps.Values(there)), slices.Collect(maps.Values(w.records())))
}

// otherJSON writes JSON with more spaces than it needs, as some programs do. Other values
// stay as they are.
func otherJSON(v any) any {
	if text, ok := v.(string); ok && strings.HasPrefix(text, `"`) {
		return " " + text
	}
	return v
}

// model remembers what people did. Each value is written here only once, so that an older
// one is recognised if it comes back.
type model struct {
	n     int
	here  map[string]map[string]string // the last values; nil: deleted
	there map[string]bool              // records that the source touched
	gone  map[string]bool              // records that were deleted on one side: the source can bring back the whole row
}

func (m *model) edit(r *rapid.T, w *world, id, field string) {
	m.n++
	value := fmt.Sprint("ours-", m.n)
	_, err := w.ents.Patch(context.Background(), "acme", "item", id, map[string]any{field: value}, "")
	if c := fault.CodeOf(err); c == fault.NotFound || c == fault.Gone {
		w.put(id, map[string]any{field: value})
		m.here[id] = nil
	} else {
		require.NoError(r, err)
	}
	if m.here[id] == nil {
		m.here[id] = map[string]string{}
	}
	m.here[id][field] = value
}

func (m *model) delete(r *rapid.T, w *world, id string) {
	err := w.ents.Delete(context.Background(), "acme", "item", id, "")
	if err != nil {
		require.Equal(r, fault.NotFound, fault.CodeOf(err))
	}
	m.here[id], m.gone[id] = nil, true
}

func (m *model) check(r *rapid.T, w *world) {
	records := w.records()
	for id, last := range m.here {
		if now, ok := records[id]; m.there[id] {
			for field, v := range now {
				if s := fmt.Sprint(v); !m.gone[id] && strings.HasPrefix(s, "ours-") {
					require.Equal(r, last[field], s, "%s of %s is an older value of ours", field, id)
				}
			}
		} else {
			require.Equal(r, last != nil, ok, "%s: it is there or not as people left it", id)
			for field, v := range last {
				require.Equal(r, v, now[field], "%s of %s", field, id)
			}
		}
	}
}

// misbehave makes the source fail once, somewhere.
func misbehave(r *rapid.T, w *world) {
	at := rapid.IntRange(0, 3).Draw(r, "fails at")
	switch rapid.SampledFrom([]string{"page", "before push", "after push", "in a push", "in a push"}).Draw(r, "where") {
	case "page":
		w.source.beforePage = func(n int) error {
			if n == at {
				return errAway
			}
			return nil
		}
	case "in a push":
		written := rapid.Bool().Draw(r, "the last is written")
		w.source.partly = func(i int) (bool, bool) { return i < at || i == at && written, i < at }
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

// runToRest runs the sync, and also what follows: a run whose process died before it began
// goes on after a run that does less.
func (w *world) runToRest(o syncrun.Start) *syncrun.Run {
	w.t.Helper()
	run := w.run(o)
	w.rest()
	return run
}

func (w *world) finishedToRest() *syncrun.Run {
	w.t.Helper()
	run := w.finished(syncrun.Start{})
	w.rest()
	return run
}

// rest waits until every run has ended.
func (w *world) rest() {
	w.t.Helper()
	runs, err := w.svc.Runs(context.Background(), "s", 10)
	require.NoError(w.t, err)
	for _, run := range runs {
		_, err = w.svc.Wait(context.Background(), "s", run.ID, nil)
		require.NoError(w.t, err)
	}
}
