package run_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A cursor that cannot be read is no secret: the run says how many rows come with every
// pull, and shows one such value.
func TestARunWarnsOfCursorsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(d *definition.Sync) {
		d.Mapping["item"].Cursor.Time = "stamp"
	})
	w.source.put("a", map[string]any{"name": "n", "stamp": "2026-03-04 05:06 UTC"})
	run := w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Empty(t, run.Warnings)
	w.source.put("b", map[string]any{"name": "n", "stamp": "half past ten"})
	run = w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Len(t, run.Warnings, 1)
	require.Contains(t, run.Warnings[0], `item: 1 of 2 rows have no time that can be read in the cursor's column stamp, such as "half past ten"`)

	w = newWorld(t, func(d *definition.Sync) { d.Mapping["item"].Cursor.Time = "metta.at" })
	w.source.put("a", map[string]any{"name": "n", "meta": map[string]any{"at": "2026-03-04T05:06:00Z"}})
	run = w.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Equal(t, []string{"item: no row has a value in the cursor's column metta.at, so every pull reads all rows"}, run.Warnings)
}

// A column that the mapping reads and a file lacks is misspelt, most likely: the run says
// so, because otherwise all records would lack the field without a word.
func TestARunWarnsOfColumnsThatAFileLacks(t *testing.T) {
	t.Parallel()
	o := csvOutside(t, []string{"id", "Preis"}, nil)
	w := worldWith(t, o, &mapping.Type{Fields: map[string]mapping.Field{"price": {From: "Prijs"}, "cost": {From: "Preis"}}})
	o.put(map[string]string{"id": "1", "Preis": "9"})
	for _, method := range []syncrun.Method{syncrun.Validate, syncrun.DoPull} {
		run := w.finished(syncrun.Start{Method: method})
		require.Equal(t, []string{`item: the mapping reads ["Prijs"], and the source has no such column: its columns are ["id" "Preis"]`}, run.Warnings, method)
	}
}
