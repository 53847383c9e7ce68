package sqlsource

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// odd lists types of PostgreSQL whose values cannot be compared, or only as text.
var odd = []typed{
	{"oddpair", `'(1,"a b")'`, `(1,"a b")`},
	{"oddjson", `'(1,"{""a"": 1}")'`, `(1,"{""a"": 1}")`},
	{"oddpair[]", `'{"(1,x)","(2,y)"}'`, []any{"(1,x)", "(2,y)"}},
	{"oddmood", "'so,so'", "so,so"},
	{"oddmood[]", `'{sad,"so,so",NULL}'`, []any{"sad", "so,so", nil}},
	{"oddmood[][]", `'{{sad},{"so,so"}}'`, []any{[]any{"sad"}, []any{"so,so"}}},
	{"odddomain", "'x'", "x"},
	{"json[]", `'{"{\"a\": 1}",null}'`, []any{map[string]any{"a": jsonNumber("1")}, nil}},
	{"jsonb[]", `'{"[1.50]"}'`, []any{[]any{jsonNumber("1.50")}}},
	{"point", "'(1,2.5)'", "(1,2.5)"},
	{"point[]", `'{"(1,2)","(3,4)"}'`, []any{"(1,2)", "(3,4)"}},
	{"box[]", `'{(2,2),(1,1)}'`, []any{"(2,2),(1,1)"}},
	{"jsonpath", "'$.a[*]'", `$."a"[*]`},
	{"jsonpath[]", "'{$.a}'", []any{`$."a"`}},
	{"xml", "'<a/>'", "<a/>"},
	{"xml[]", "'{<a/>}'", []any{"<a/>"}},
	{"json", `'{"a": "\u0000 \\u0000", "b":1}'`, map[string]any{"a": "\x00 \\u0000", "b": jsonNumber("1")}},
	{"bit(8)", "b'00000101'", "00000101"},
	{"bit varying(8)", "b'101'", "101"},
	{"money", "'1.50'", "$1.50"},
	{"tsvector", "'a b'", "'a' 'b'"},
	{"macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03"},
	{"int4multirange", "'{[1,3),[5,7)}'", "{[1,3),[5,7)}"},
	{"pg_lsn", "'16/B374D848'", "16/B374D848"},
	{"char(5)", "'ab'", "ab"},
	{"char(3)[]", "'{ab,c}'", []any{"ab", "c"}},
}

func jsonNumber(s string) any { n, _ := fromJSON([]byte(s)); return n }

// A row with a value of any type can be written, compared and deleted. If its database
// cannot compare the value, only that row is refused, and the rest of the table is pushed.
func TestOddTypes(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onPostgres)
	p.exec(t, "CREATE TYPE oddpair AS (a integer, b text)")
	p.exec(t, "CREATE TYPE oddjson AS (a integer, b json)")
	p.exec(t, "CREATE TYPE oddmood AS ENUM ('sad', 'so,so')")
	p.exec(t, "CREATE DOMAIN odddomain AS text CHECK (value <> '')")
	for _, c := range odd {
		t.Run(c.typ, func(t *testing.T) {
			p.exec(t, "DROP TABLE IF EXISTS odd")
			p.exec(t, "CREATE TABLE odd (id varchar(20) PRIMARY KEY, odd "+c.typ+", name text)")
			p.exec(t, "INSERT INTO odd VALUES ('a', "+c.sql+", 'x'), ('b', NULL, 'y')")
			src := p.Open(t)
			spec := source.Spec{Datatype: "odd", Key: []string{"id"}}
			push := func(changes ...source.Change) {
				t.Helper()
				results, err := src.Push(t.Context(), spec, changes)
				require.NoError(t, err)
				for _, r := range results {
					require.NoError(t, r.Err)
				}
			}
			row := pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows[0]
			require.Equal(t, c.want, row["odd"])
			push(source.Change{Op: source.Create, Key: []any{"c"}, Fields: map[string]any{"odd": row["odd"], "name": "z"}},
				source.Change{Op: source.Update, Key: []any{"a"}, Changed: []string{"odd", "name"}, Fields: map[string]any{"odd": row["odd"], "name": "new"}, Expect: map[string]any{"odd": row["odd"], "name": "x"}},
				source.Change{Op: source.Update, Key: []any{"b"}, Changed: []string{"odd"}, Fields: map[string]any{"odd": row["odd"]}, Expect: map[string]any{"odd": nil}})
			rows := pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows
			require.Equal(t, []any{c.want, c.want, c.want}, []any{rows[0]["odd"], rows[1]["odd"], rows[2]["odd"]})
			results, err := src.Push(t.Context(), spec, []source.Change{{Op: source.Delete, Key: []any{"a"}, Expect: map[string]any{"odd": nil}}})
			require.NoError(t, err)
			require.ErrorIs(t, results[0].Err, source.ErrMoved)
			push(source.Change{Op: source.Delete, Key: []any{"a"}, Expect: map[string]any{"odd": row["odd"], "name": "new"}},
				source.Change{Op: source.Delete, Key: []any{"b"}, Expect: map[string]any{"odd": row["odd"], "name": "y"}})
			require.Len(t, pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows, 1)
		})
	}
}

// Text of JSON that stands for no character is not replaced: the mapping refuses it.
func TestHalvesOfSurrogatePairs(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onPostgres)
	p.exec(t, "CREATE TABLE odd (id varchar(20) PRIMARY KEY, doc json)")
	p.exec(t, `INSERT INTO odd VALUES ('a', '{"\ud83d": "\ude00"}')`)
	row := pullAll(t, p.Open(t), source.Pull{Spec: source.Spec{Datatype: "odd", Key: []string{"id"}}, PageSize: 5}).rows[0]
	require.Equal(t, map[string]any{"\xed\xa0\xbd": "\xed\xb8\x80"}, row["doc"])
}
