package occurrence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
	"github.com/headgate/headgate/live"
)

// everything subscribes to all occurrences.
var everything = &occurrence.Outbox{Subscribed: func(context.Context, string, string) bool { return true }, Stored: func() {}}

func entry(t *testing.T, w store.Write) *occurrence.Entry {
	t.Helper()
	e, err := occurrence.Parse(w.Doc)
	require.NoError(t, err)
	return e
}

// Many records share few occurrences, each of them in one and in their order. An occurrence
// stays within its bounds, and a commit within the writes that callers reserve.
func TestRecordsShareOccurrences(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ records, idBytes, want int }{
		"none":       {0, 4, 0},
		"one":        {1, 4, 1},
		"full":       {500, 4, 1},
		"one more":   {501, 4, 2},
		"a commit":   {5000, 4, 10},
		"long ids":   {5000, 1000, 10},
		"huge bytes": {1000, 2000, 4},
	} {
		changed := make([]occurrence.Changed, c.records)
		for i := range changed {
			changed[i] = occurrence.Changed{ID: fmt.Sprintf("%0*d", c.idBytes, i), Version: int64(i)}
		}
		writes := everything.RecordWrites(t.Context(), "acme", "wells", changed, time.Unix(1, 0))
		require.Len(t, writes, c.want, name)
		require.LessOrEqual(t, len(writes), occurrence.MostRecordWrites, name)
		ids := map[string]bool{}
		var told []occurrence.Changed
		for _, w := range writes {
			e := entry(t, w)
			require.Equal(t, []string{occurrence.Records, "/orgs/acme/wells", "acme/wells"}, []string{e.Type, e.Source, e.Subject}, name)
			ids[e.ID] = true
			var data struct{ Records []occurrence.Changed }
			require.NoError(t, json.Unmarshal(e.Data, &data), name)
			require.LessOrEqual(t, len(data.Records), 500, name)
			require.Less(t, len(e.Data), 520<<10, name)
			told = append(told, data.Records...)
		}
		require.Len(t, ids, c.want, "%s: each has an id of its own", name)
		require.ElementsMatch(t, changed, told, name)
	}
}

// What a change adds to a commit is never more than callers count for it.
func TestRecordBytesIsABound(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "1", strings.Repeat("\x00", 1000), strings.Repeat("<", 500), strings.Repeat("é", 500), `"\` + "\u2028"} {
		b, err := json.Marshal(occurrence.Changed{ID: id, Version: 1<<63 - 1, Deleted: true})
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), occurrence.RecordBytes(id), "%q", id)
	}
}

// Subjects are the names that live clients use for the same records.
func TestSubjectsAreTheNamesOfLiveEntities(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"default", "items"}, {"acme", "items"}, {"default", "a/b"}, {"acme", "a/b"}} {
		require.Equal(t, live.Key{Org: c[0], Type: c[1]}.Entity(), occurrence.EntityOf(c[0], c[1]))
	}
}
