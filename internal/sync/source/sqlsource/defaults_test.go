package sqlsource

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// A new row has the table's default where the record has no field, and NULL where the field
// is null. A row that exists and has a value that the record lacks is somebody else's.
func TestDefaults(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		p.exec(t, "CREATE TABLE defaults (id varchar(20) PRIMARY KEY, state varchar(20) DEFAULT 'new', note varchar(20))")
		p.exec(t, "INSERT INTO defaults VALUES ('old', 'done', 'x')")
		src := p.Open(t)
		spec := source.Spec{Datatype: "defaults", Key: []string{"id"}}
		create := func(id string, note any, lacking ...string) source.Change {
			return source.Change{Op: source.Create, Key: []any{id}, Fields: map[string]any{"id": id, "state": nil, "note": note}, Lacking: lacking}
		}
		changes := []source.Change{create("a", "x", "state"), create("b", "x"), create("c", nil, "state", "note"), create("old", nil, "state", "note")}
		results, err := src.Push(t.Context(), spec, changes)
		require.NoError(t, err)
		for _, r := range results[:3] {
			require.NoError(t, r.Err)
		}
		require.ErrorIs(t, results[3].Err, source.ErrExists)
		require.Equal(t, []map[string]any{
			{"id": "a", "state": "new", "note": "x"}, {"id": "b", "state": nil, "note": "x"},
			{"id": "c", "state": "new", "note": nil}, {"id": "old", "state": "done", "note": "x"},
		}, pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows)
	})
}
