package apisource_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
)

var toOurs = source.Change{
	Op: source.Update, ID: "a", Key: []any{"a"}, Attempt: "1", Changed: []string{"name"},
	Fields: map[string]any{"name": "ours"}, Expect: map[string]any{"name": "base"},
}

var gone = source.Change{Op: source.Delete, ID: "a", Key: []any{"a"}, Attempt: "2", Expect: map[string]any{"id": "a", "name": "base"}}

func lookedAt(t *testing.T, more string) *server {
	s := newServer(t, `{"list":"row",`+looked+more+`}`)
	s.rows["a"] = map[string]any{"id": "a", "name": "base"}
	return s
}

// Somebody changes the row between the look and the write. A stopped process can make that
// time long. The server refuses the write, and the other change stays.
func TestARowThatChangesAfterTheLookIsNotOverwritten(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]source.Change{"update": toOurs, "delete": gone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := lookedAt(t, byKey)
			s.before = func(r *http.Request) {
				if r.Method != http.MethodGet { // a comparison of values would miss a change that was undone
					s.rows["a"] = map[string]any{"id": "a", "name": "base", "note": "theirs"}
				}
			}
			results, err := s.Open(t).Push(t.Context(), row, []source.Change{change})
			require.NoError(t, err)
			require.ErrorIs(t, results[0].Err, source.ErrMoved)
			require.Equal(t, map[string]any{"id": "a", "name": "base", "note": "theirs"}, s.rows["a"])
		})
	}
}

func TestTheLookOfAServerWithoutStrongETags(t *testing.T) {
	t.Parallel()
	s := lookedAt(t, byKey)
	s.weak = "W/"
	results, err := s.Open(t).Push(t.Context(), row, []source.Change{toOurs})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.Equal(t, "ours", s.rows["a"]["name"])
	for _, h := range s.headers {
		require.Empty(t, h.Get("If-Match"))
	}
}

// With a look, the updates of a batch are sent one by one, because each has its own
// condition.
func TestTheLookAtRowsOfABatch(t *testing.T) {
	t.Parallel()
	s := lookedAt(t, `"update":{"url":"{type}?do=update","method":"POST","batch":10,"error":"0.problem"}`)
	s.rows["b"] = map[string]any{"id": "b", "name": "theirs"}
	other := toOurs
	other.ID, other.Key = "b", []any{"b"}
	missing := toOurs
	missing.ID, missing.Key = "c", []any{"c"}
	results, err := s.Open(t).Push(t.Context(), row, []source.Change{toOurs, other, missing})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.ErrorIs(t, results[1].Err, source.ErrMoved)
	require.ErrorIs(t, results[2].Err, source.ErrMoved)
	require.Equal(t, "ours", s.rows["a"]["name"])
	require.Equal(t, "theirs", s.rows["b"]["name"])
}

func TestADeletionOfAMissingRow(t *testing.T) {
	t.Parallel()
	s := lookedAt(t, byKey)
	delete(s.rows, "a")
	results, err := s.Open(t).Push(t.Context(), row, []source.Change{gone})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
}

func TestReadMustBeOfOneRow(t *testing.T) {
	t.Parallel()
	s := newServer(t, `{"list":"row","read":{"url":"{type}"},`+byKey+`}`)
	faults := apisource.Kind().Check(s.definition())
	require.Len(t, faults, 1)
	require.Equal(t, "options.read.url", faults[0].Path)
	require.True(t, strings.Contains(faults[0].Message, "one row"))
}
