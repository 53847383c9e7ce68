package run_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// The records of a sync are linked to the rows of its source. A definition that means other
// rows under the same id does not run, and the refusal says what to do.
func TestRecordsAreNotTakenForOtherRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		anew    bool // the definition is deleted and made again
		empty   bool // there are no records
		change  func(s *definition.Sync)
		refused string
	}{
		"the same again":                     {anew: true},
		"another source under the old id":    {anew: true, change: func(s *definition.Sync) { s.Datasource.URL = "https://other.example.com/" }, refused: `linked to the rows of another source`},
		"another key":                        {change: func(s *definition.Sync) { s.Mapping["item"].Key = []string{"name"} }, refused: `had the key ["id"] until now, and ["name"] would make a second record`},
		"another key, made again":            {anew: true, change: func(s *definition.Sync) { s.Mapping["item"].Key = []string{"name"} }, refused: `had the key`},
		"another source without any records": {anew: true, empty: true, change: func(s *definition.Sync) { s.Datasource.URL = "https://other.example.com/" }},
		"the source moved":                   {change: func(s *definition.Sync) { s.Datasource.URL = "https://moved.example.com/" }},
		"another organisation":               {change: func(s *definition.Sync) { s.OrgID, s.Mapping["item"].Key = "other", []string{"name"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			w := newWorld(t, nil)
			if !c.empty {
				w.source.put("a", map[string]any{"name": "theirs"})
			}
			w.finished(syncrun.Start{})
			w.wait(time.Minute)
			def, item := *w.def, *w.def.Mapping["item"]
			def.Mapping = map[string]*mapping.Type{"item": &item}
			if c.change != nil {
				c.change(&def)
			}
			var err error
			if c.anew {
				require.NoError(t, w.defs.Delete(ctx, "s", ""))
				_, err = w.defs.Create(ctx, &def)
			} else {
				_, err = w.defs.Update(ctx, "s", &def, "")
			}
			require.NoError(t, err)
			if c.refused == "" {
				w.finished(syncrun.Start{})
				return
			}
			before := w.source.live()
			_, err = w.svc.Start(ctx, "s", syncrun.Start{})
			require.Equal(t, fault.Conflict, fault.CodeOf(err))
			require.ErrorContains(t, err, c.refused)
			require.ErrorContains(t, err, "a new id")
			require.Equal(t, before, w.source.live())
			if !c.anew { // back as it was
				_, err = w.defs.Update(ctx, "s", w.def, "")
				require.NoError(t, err)
				w.finished(syncrun.Start{})
			}
		})
	}
}
