package run_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A source spells values otherwise than we would: a bool as Y, a time without its zone, a
// number with spaces, JSON as text. Edits here reach it, in its own spelling, and so do
// deletions.
func TestEditsReachASourceThatSpellsValuesOtherwise(t *testing.T) {
	t.Parallel()
	columns := []string{"id", "flag", "moment", "n", "doc", "day", "note", "gone"}
	m := mapping.Type{
		Delete: &mapping.Delete{Field: "gone", Equals: true},
		Fields: map[string]mapping.Field{
			"flag": {From: "flag", Type: "bool"}, "moment": {From: "moment", Type: "time"}, "n": {From: "n", Type: "number"},
			"doc": {From: "doc", Type: "json"}, "day": {From: "day", Type: "time", Format: "2/1/2006"}, "note": {From: "note"},
		},
	}
	was := map[string]string{
		"flag": "Y", "moment": "2026-01-02 10:00:00", "n": " 5 ", "doc": `{"a": 1}`, "day": "02/01/2026", "note": "theirs", "gone": "N",
	}
	for name, open := range opens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t, columns, map[string]columnTypes{"mysql": {"doc": "json"}}[name])
			w := worldWith(t, o, &m)
			for _, id := range []string{"a", "b", "c"} {
				row := maps.Clone(was)
				row["id"] = id
				o.put(row)
			}
			w.finished(syncrun.Start{})
			edit := func(id string, fields map[string]any) {
				w.wait(time.Minute)
				_, err := w.ents.Patch(context.Background(), "acme", "item", id, fields, "")
				require.NoError(t, err)
			}
			edit("a", map[string]any{
				"flag": false, "moment": "2026-01-03T11:00:00Z", "n": 6, "doc": map[string]any{"a": 2}, "day": "2026-01-03T00:00:00Z", "note": "ours",
			})
			require.NoError(t, w.ents.Delete(context.Background(), "acme", "item", "b", ""))
			quiet := func(updated, deleted int64) {
				t.Helper()
				w.wait(time.Minute)
				run := w.finished(syncrun.Start{})
				require.Empty(t, run.Warnings)
				require.Zero(t, run.Counts.Conflicts)
				require.Equal(t, []int64{updated, deleted}, []int64{run.Counts.Updated, run.Counts.Deleted})
			}
			quiet(1, 1)
			quiet(0, 0)
			edit("a", map[string]any{"flag": true})
			quiet(1, 0)
			quiet(0, 0)
			rows := map[string]map[string]string{}
			for _, r := range o.rows() {
				rows[r["id"]] = r
			}
			require.Equal(t, map[string]string{
				"id": "a", "flag": "Y", "moment": "2026-01-03 11:00:00", "n": "6", "doc": `{"a":2}`, "day": "3/1/2026", "note": "ours", "gone": "N",
			}, rows["a"])
			if b, there := rows["b"]; there {
				require.Equal(t, "Y", b["gone"])
			}
			require.Equal(t, was["n"], rows["c"]["n"])
			require.Len(t, w.records(), 2)
		})
	}
}
