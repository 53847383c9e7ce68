package run_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

func TestValidateChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.put("a", map[string]any{"name": "n", "value": 1})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.source.put("a", map[string]any{"value": 2})
	w.source.put("b", map[string]any{"value": 3})
	w.put("c", map[string]any{"name": "here"})
	before := w.records()
	run := w.finished(syncrun.Start{Method: syncrun.Validate})
	require.Equal(t, before, w.records())
	require.NotContains(t, w.source.live(), "c")
	require.Equal(t, "Validated 2 items.", run.Results[0].Message)
	require.Empty(t, run.Warnings, "nothing is wrong")
	require.Equal(t, source.Rows, run.Results[0].Progress.Unit)
	actions := map[string]string{}
	for _, c := range run.Plan {
		actions[string(c.Phase)+" "+c.ID] = c.Action
	}
	require.Equal(t, map[string]string{"pull a": "update", "pull b": "create", "push c": "create"}, actions)
	for _, c := range run.Plan {
		if c.ID == "a" {
			require.Equal(t, []syncrun.FieldChange{{Field: "value", Old: int64(1), New: int64(2)}}, normalised(c.Fields))
		}
	}
}

// normalised undoes what a trip through JSON does to numbers.
func normalised(fields []syncrun.FieldChange) []syncrun.FieldChange {
	for i := range fields {
		if f, ok := fields[i].Old.(float64); ok {
			fields[i].Old = int64(f)
		}
		if f, ok := fields[i].New.(float64); ok {
			fields[i].New = int64(f)
		}
	}
	return fields
}

// A validation continues in the next invocation, and lists nothing twice.
func TestAValidationIsHandedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.pageSize = 4
	for i := range 40 {
		w.source.put(fmt.Sprint("r", i), map[string]any{"name": fmt.Sprint("n", i)})
	}
	run := w.handedOn(syncrun.Start{Method: syncrun.Validate})
	require.Equal(t, syncrun.Finished, run.State, "%q", run.Errors)
	require.Equal(t, syncrun.Counts{Read: 40, Created: 40}, run.Counts)
	require.Len(t, run.Plan, 40)
	require.Empty(t, w.records())
}
