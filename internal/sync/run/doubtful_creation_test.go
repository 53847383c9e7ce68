package run_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A record is deleted before anybody knows whether the source has made its row. The outcome is
// learnt, and then the deletion goes through: the record comes back on neither side.
func TestARecordDeletedWhileItsCreationWasInDoubtStaysDeleted(t *testing.T) {
	t.Parallel()
	sources := map[string]func(m *memory){
		"known keys":                  func(*memory) {},
		"the source chooses keys":     func(m *memory) { m.chooses = true },
		"other spelling of keys":      func(m *memory) { m.folds = true },
		"other values":                func(m *memory) { m.stores = shouts },
		"chosen keys, other values":   func(m *memory) { m.chooses, m.stores = true, shouts },
		"it does not compare":         func(m *memory) { m.blind = true },
		"it does not move the cursor": func(m *memory) { m.silent = true },
	}
	for name, set := range sources {
		for loss, lose := range losses {
			for _, kind := range []string{"both", "edited", "manual", "pushes before it pulls", "only pushes"} {
				t.Run(fmt.Sprint(name, "/", loss, "/", kind), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, func(s *definition.Sync) {
						s.MaxDeletes, s.MaxRejected = new(100.0), new(1.0)
						switch kind {
						case "manual":
							s.Conflict = definition.Manual
						case "only pushes":
							s.Type = definition.Push
						}
					})
					set(w.source)
					for _, id := range []string{"A", "B", "C", "D"} {
						w.put(id, map[string]any{"name": "ours " + id, "value": 1})
					}
					lose(w)
					w.heals()
					if kind == "edited" {
						w.put("D", map[string]any{"name": "edited", "value": 1})
					}
					require.NoError(t, w.ents.Delete(context.Background(), "acme", "item", "D", ""))
					_, _, err := w.svc.Due(context.Background()) // another process continues the run of a killed one
					require.NoError(t, err)
					w.rest()
					for i := range 4 {
						method := syncrun.Method("")
						if i == 0 && kind == "pushes before it pulls" {
							method = syncrun.DoPush
						}
						w.run(syncrun.Start{Method: method})
						w.wait(time.Hour)
					}
					last := w.run(syncrun.Start{})
					require.Zero(t, last.Counts.Created+last.Counts.Updated+last.Counts.Deleted)
					require.Len(t, w.records(), 3)
					require.Len(t, w.source.live(), 3)
					require.Zero(t, w.unanswered())
				})
			}
		}
	}
}

// shouts stores texts in another spelling, which reads as another value.
func shouts(v any) any {
	if text, ok := v.(string); ok {
		return text + "!"
	}
	return v
}
