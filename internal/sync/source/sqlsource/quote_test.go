package sqlsource

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/sync/source"
)

// FuzzQuote checks that a quoted name is one identifier with the same name.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"a", `"`, "`", `a"b`, "a`b", `"; DROP TABLE x; --`, "``", `\`, "", "日本", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		for q, e := range map[string]engine{`"`: &postgres{}, "`": &mySQL{}, "\x00": &sqliteEngine{}} {
			if q == "\x00" {
				q = `"`
			}
			quoted := e.quote(id)
			inner, ok := strings.CutPrefix(quoted, q)
			require.True(t, ok)
			inner, ok = strings.CutSuffix(inner, q)
			require.True(t, ok)
			require.Equal(t, id, strings.ReplaceAll(inner, q+q, q))
			require.NotContains(t, strings.ReplaceAll(inner, q+q, ""), q, "the identifier ends before its end")
		}
	})
}

// Tables and columns with any name can be read and written.
func TestHostileIdentifiers(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		part := rapid.SampledFrom([]string{"a", "B", `"`, "`", "'", ";", "--", "/*", "*/", " ", ".", "?", "$1", "%", `\`, "DROP TABLE ", "select", "日", "]", "[", "(", ")", ",", ":x", "@y", "\n"})
		name := rapid.Custom(func(t *rapid.T) string {
			n := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "")
			if strings.TrimSpace(n) != n || len(n) > 40 { // MySQL allows no space at the end
				return "n" + strings.TrimSpace(n[:min(len(n), 20)]) + "n"
			}
			return n
		})
		rapid.Check(t, func(rt *rapid.T) {
			table := "t" + name.Draw(rt, "table")
			columns := rapid.SliceOfNDistinct(name, 3, 3, strings.ToLower).Draw(rt, "columns")
			for i, c := range columns {
				columns[i] = strings.ToValidUTF8(c, "")
			}
			table = strings.ToValidUTF8(table, "")
			q := p.engine.quote
			create := "CREATE TABLE " + q(table) + " (" + q(columns[0]) + " varchar(50) PRIMARY KEY, " + q(columns[1]) + " varchar(50), " + q(columns[2]) + " " + s.updated + ")"
			p.exec(t, create)
			defer p.exec(t, "DROP TABLE "+q(table))
			p.options["tables"] = map[string]any{"thing": map[string]any{"table": table, "schema": p.schema()}}
			src := p.Open(t)
			defer func() { require.NoError(rt, src.Close()) }()
			spec := source.Spec{Datatype: "thing", Key: columns[:1], CursorTime: columns[2]}
			push := func(c source.Change) {
				results, err := src.Push(t.Context(), spec, []source.Change{c})
				require.NoError(rt, err)
				require.NoError(rt, results[0].Err)
			}
			push(source.Change{Op: source.Create, Key: []any{table}, Fields: map[string]any{columns[1]: "was", columns[2]: "2024-02-29 00:00:00"}})
			push(source.Change{Op: source.Create, Key: []any{"z"}, Fields: map[string]any{columns[1]: "was", columns[2]: "2024-02-29 00:00:00"}})
			push(source.Change{
				Op: source.Update, Key: []any{table}, Fields: map[string]any{columns[1]: "now"}, Changed: columns[1:2], Expect: map[string]any{columns[1]: "was"},
			})
			got := pullAll(t, src, source.Pull{Spec: spec, PageSize: 1})
			require.Len(rt, got.rows, 2)
			require.Equal(rt, table, got.rows[0][columns[0]])
			require.Equal(rt, "now", got.rows[0][columns[1]])
			push(source.Change{Op: source.Delete, Key: []any{table}, Expect: map[string]any{columns[1]: "now"}})
		})
	})
}
