package sourceexample_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
	"github.com/headgate/headgate/internal/sync/source/sourceexample"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, sourcetest.Harness{
		New:  newPlace,
		Push: true, PartialUpdate: true, Snapshot: true, AnyDatatype: true, NUL: true,
	})
}

// place is a file that only one test uses.
type place struct{ dir *os.Root }

func newPlace(t testing.TB) sourcetest.Place {
	dir, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.Close()) })
	return place{dir}
}

func (p place) Open(t testing.TB) source.Source {
	s, err := sourceexample.Kind().Open(t.Context(), source.Datasource{FileURL: "rows.jsonl"}, source.Env{Dir: p.dir})
	require.NoError(t, err)
	return s
}

func (p place) Spec() source.Spec { return source.Spec{Datatype: "row", Key: []string{"id"}} }

func (p place) Put(t testing.TB, rows ...sourcetest.Record) {
	all := p.Rows(t)
	for _, r := range rows {
		all[r.ID] = r
	}
	p.write(t, all)
}

func (p place) Remove(t testing.TB, ids ...string) {
	all := p.Rows(t)
	for _, id := range ids {
		delete(all, id)
	}
	p.write(t, all)
}

func (p place) write(t testing.TB, rows map[string]sourcetest.Record) {
	var b strings.Builder
	for r := range maps.Values(rows) {
		line, err := json.Marshal(map[string]any{
			"id": r.ID, "name": r.Name, "value": r.Value, "updated_at": r.UpdatedAt.Format(time.RFC3339Nano), "deleted": r.Deleted,
		})
		require.NoError(t, err)
		b.Write(append(line, '\n'))
	}
	require.NoError(t, p.dir.WriteFile("rows.jsonl", []byte(b.String()), 0o600))
}

func (p place) Rows(t testing.TB) map[string]sourcetest.Record {
	out := map[string]sourcetest.Record{}
	content, _ := p.dir.ReadFile("rows.jsonl")
	var rows rest.Rows
	for line := range strings.Lines(string(content)) {
		v, err := decode.One([]byte(line))
		object, ok := v.(map[string]any)
		if err != nil || !ok {
			continue
		}
		r, err := sourcetest.ReadRow(rows.Of(object))
		require.NoError(t, err)
		out[r.ID] = r
	}
	return out
}

func (p place) PutBad(t testing.TB) {
	content, _ := p.dir.ReadFile("rows.jsonl")
	require.NoError(t, p.dir.WriteFile("rows.jsonl", append([]byte("{\"id\": tru\n"), content...), 0o600))
}

// pages pulls at most n pages and returns the ids of their rows and the last Resume.
func pages(t *testing.T, s source.Source, p source.Pull, n int) (ids []any, resume json.RawMessage) {
	t.Helper()
	r, err := s.Pull(t.Context(), p)
	require.NoError(t, err)
	for range n {
		page, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		for _, row := range page.Rows {
			id, _ := row.Get("id")
			ids = append(ids, id)
		}
		resume = page.Resume
	}
	return ids, resume
}

// A pull of a changed file starts again from the beginning. Its lines may have moved, and
// a resumed pull would miss some of them.
func TestAFileThatChangedIsReadAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t).(place)
	require.NoError(t, p.dir.WriteFile("rows.jsonl", []byte("{\"id\":\"a\"}\n\n{\"id\":\"b\"}\n{\"id\":\"c\"}"), 0o600))
	pull := source.Pull{Spec: p.Spec(), PageSize: 2}
	ids, resume := pages(t, p.Open(t), pull, 1)
	require.Equal(t, []any{"a", "b"}, ids)
	pull.Resume = resume
	ids, _ = pages(t, p.Open(t), pull, 9)
	require.Equal(t, []any{"c"}, ids)
	require.NoError(t, p.dir.WriteFile("rows.jsonl", []byte("{\"id\":\"c\"}\n{\"id\":\"b\"}\n{\"id\":\"d\"}\n"), 0o600))
	ids, _ = pages(t, p.Open(t), pull, 9)
	require.Equal(t, []any{"c", "b", "d"}, ids)
}

// A push keeps the lines that it cannot read, unchanged.
func TestAPushKeepsUnreadableLines(t *testing.T) {
	t.Parallel()
	p := newPlace(t).(place)
	require.NoError(t, p.dir.WriteFile("rows.jsonl", []byte("{\"id\":\"b\",\"n\":1.50}\nnonsense"), 0o600))
	_, err := p.Open(t).Push(t.Context(), p.Spec(), []source.Change{{Op: source.Create, Key: []any{"a"}, Fields: map[string]any{"n": 2}}})
	require.NoError(t, err)
	content, err := p.dir.ReadFile("rows.jsonl")
	require.NoError(t, err)
	require.Equal(t, "nonsense\n{\"id\":\"a\",\"n\":2}\n{\"id\":\"b\",\"n\":1.50}\n", string(content))
}

// Every code block of the guide is part of this package.
func TestTheGuideShowsThisCode(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../../docs/adding-a-source.md")
	require.NoError(t, err)
	var code string
	for _, name := range []string{"jsonl.go", "jsonl_test.go", filepath.FromSlash("../../../platform/launch/sources.go")} {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		code += string(b)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		require.Contains(t, code, b[1])
	}
}
