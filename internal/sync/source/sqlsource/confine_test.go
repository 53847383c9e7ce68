package sqlsource

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// queried pulls the rows of a query to the end, including the count and the clock, as the
// validation of a definition does.
func queried(t testing.TB, p *place, query, cursor string) ([]source.Row, error) {
	t.Helper()
	p.options["tables"] = map[string]any{"q": map[string]any{"query": query}}
	d := p.datasource(t)
	if faults := Kind().Check(d); len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "%s", faults[0])
	}
	s, err := Kind().Open(t.Context(), d, p.environment(t))
	require.NoError(t, err)
	defer s.Close()
	r, err := s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "q", Key: []string{"id"}, CursorTime: cursor}, PageSize: 100})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var rows []source.Row
	for {
		page, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Rows...)
	}
}

// directory returns the digests of all files below dir.
func directory(t testing.TB, dir string) map[string][32]byte {
	t.Helper()
	files := map[string][32]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files[path] = sha256.Sum256(content)
		return err
	}))
	return files
}

// A definition's query can read only the file that the definition names, and can do
// nothing else.
func TestAttackSQLiteQuery(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"attach":          `SELECT 1 AS id) q; ATTACH '{other}' AS o; SELECT id FROM (SELECT secret AS id FROM o.secrets`,
		"attach and copy": `SELECT 1 AS id) q; ATTACH '{other}' AS o; INSERT INTO reading SELECT secret FROM o.secrets; SELECT id FROM (SELECT 1 AS id`,
		"write outside":   `SELECT 1 AS id) q; ATTACH '{new}' AS o; CREATE TABLE o.t AS SELECT 1; SELECT id FROM (SELECT 1 AS id`,
		"vacuum into":     `SELECT 1 AS id) q; VACUUM INTO '{new}'; SELECT id FROM (SELECT 1 AS id`,
		"delete":          `SELECT 1 AS id) q; DELETE FROM reading; SELECT id FROM (SELECT 1 AS id`,
		"writable":        `SELECT 1 AS id) q; PRAGMA query_only=0; DELETE FROM reading; SELECT id FROM (SELECT 1 AS id`,
		"temp table":      `SELECT 1 AS id) q; CREATE TEMP TABLE x AS SELECT 1; SELECT id FROM (SELECT 1 AS id`,
		"two selects":     `SELECT 1 AS id) q; SELECT id FROM (SELECT 1 AS id`,
		"two statements":  `SELECT 1 AS id; SELECT 2 AS id`,
		"half of two":     `SELECT 1 AS id) q, (SELECT 2 AS x`,
		"a union outside": `SELECT 1 AS id) UNION SELECT name FROM (SELECT name FROM sqlite_schema`,
		"comment":         `SELECT 1 AS id) q LIMIT 1; DELETE FROM reading; --`,
		"open comment":    `SELECT 1 AS id) q LIMIT 1 /*`,
		"only pragma":     `PRAGMA database_list`,
		"explain":         `EXPLAIN SELECT 1 AS id`,
		"delete alone":    `DELETE FROM reading RETURNING id`,
		"attach alone":    `ATTACH '{other}' AS o`,
		"nothing":         `-- nothing`,
		"pragma function": `SELECT file AS id FROM pragma_database_list`,
		"pragma in where": `SELECT 1 AS id WHERE EXISTS (SELECT 1 FROM pragma_table_list)`,
		"pages":           `SELECT pgno AS id, data FROM sqlite_dbpage`,
		"statistics":      `SELECT name AS id FROM dbstat`,
		"extension":       `SELECT load_extension('{other}') AS id`,
		"readfile":        `SELECT readfile('{other}') AS id`,
		"writefile":       `SELECT writefile('{new}', 'x') AS id`,
		"fts tokenizer":   `SELECT fts3_tokenizer('simple') AS id`,
		"log":             `SELECT sqlite_log(1, 'x') AS id`,
		"too long":        `SELECT 1 AS id /*` + strings.Repeat("x", 100_000) + `*/`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, onSQLite)
			p.exec(t, "CREATE TABLE reading (id text)")
			p.exec(t, "INSERT INTO reading VALUES ('a')")
			outside := t.TempDir()
			other := filepath.Join(outside, "other.db")
			db, err := sql.Open("sqlite", "file:"+other)
			require.NoError(t, err)
			_, err = db.Exec("CREATE TABLE secrets (secret); INSERT INTO secrets VALUES ('hunter2')")
			require.NoError(t, err)
			require.NoError(t, db.Close())
			inside, beyond := directory(t, p.dir), directory(t, outside)
			query = strings.NewReplacer("{other}", other, "{new}", filepath.Join(outside, "new.db")).Replace(query)
			rows, err := queried(t, p, query, "")
			require.Error(t, err, "%v", rows)
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
			require.NotContains(t, fmt.Sprint(rows, err), "hunter2")
			require.Equal(t, inside, directory(t, p.dir))
			require.Equal(t, beyond, directory(t, outside))
		})
	}
}

// Ordinary queries that only read still work.
func TestSQLiteQueriesThatRead(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	p.exec(t, "CREATE TABLE reading (id text, n int, doc text)")
	p.exec(t, `INSERT INTO reading VALUES ('a', 1, '{"x":[1,2]}'), ('b', 2, '{"x":[]}')`)
	p.exec(t, "CREATE VIEW all_of_it AS SELECT * FROM reading")
	p.exec(t, "CREATE VIRTUAL TABLE words USING fts5(id, body)")
	p.exec(t, "INSERT INTO words VALUES ('a', 'some words'), ('b', 'others')")
	for query, want := range map[string]int{
		"SELECT * FROM reading":            2,
		"SELECT * FROM reading;":           2,
		"SELECT * FROM reading -- all":     2,
		"SELECT ';' AS id, n FROM reading": 2,
		"WITH r AS (SELECT * FROM all_of_it) SELECT id, sum(n) OVER () AS n FROM r":                          2,
		"WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 10) SELECT i AS id FROM s": 10,
		"SELECT id FROM words WHERE words MATCH 'some'":                                                      1,
		"SELECT reading.id || j.value AS id FROM reading, json_each(doc, '$.x') j":                           2,
		"SELECT id FROM reading UNION SELECT 'c'":                                                            3,
		"VALUES (1)": 0, // fails because it has no column id
	} {
		rows, err := queried(t, p, query, "")
		if want == 0 {
			require.ErrorContains(t, err, "has no column", query)
			continue
		}
		require.NoError(t, err, query)
		require.Len(t, rows, want, query)
	}
}

// A database in WAL mode can be read, whether or not another process has it open.
func TestSQLiteReadsWAL(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	p.exec(t, "PRAGMA journal_mode=WAL")
	p.exec(t, "CREATE TABLE reading (id text)")
	p.exec(t, "INSERT INTO reading VALUES ('a')")
	rows, err := queried(t, p, "SELECT * FROM reading", "")
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.NoError(t, p.db.Close())
	before := directory(t, p.dir)
	require.Len(t, before, 1)
	rows, err = queried(t, p, "SELECT * FROM reading", "")
	require.NoError(t, err)
	require.Len(t, rows, 1)
	path := filepath.Join(p.dir, "some.db")
	require.Equal(t, before[path], directory(t, p.dir)[path])
	t.Log(directory(t, p.dir))
}

// A name in a definition is always used as a name, even if it contains SQL.
func TestNamesAreQuoted(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	p.exec(t, "CREATE TABLE reading (id text)")
	p.exec(t, "INSERT INTO reading VALUES ('a')")
	for _, evil := range []string{`reading"; DELETE FROM reading; --`, `reading" UNION SELECT name FROM "sqlite_schema`, `x") FROM reading --`} {
		table, err := json.Marshal(evil)
		require.NoError(t, err)
		p.options["tables"] = map[string]any{"q": json.RawMessage(table), "ok": "reading"}
		s := p.Open(t)
		_, err = s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "q", Key: []string{"id"}}, PageSize: 1})
		require.ErrorContains(t, err, "there is no table")
		for _, spec := range []source.Spec{
			{Datatype: "ok", Key: []string{evil}}, {Datatype: "ok", Key: []string{"id"}, CursorTime: evil}, {Datatype: "ok", Key: []string{"id"}, Deleted: evil},
		} {
			_, err = s.Pull(t.Context(), source.Pull{Spec: spec, PageSize: 1})
			require.ErrorContains(t, err, "has no column")
			_, err = s.Push(t.Context(), spec, []source.Change{{Op: source.Update, Key: []any{"a"}, Fields: map[string]any{"id": "a"}, Changed: []string{"id"}}})
			require.ErrorContains(t, err, "has no column")
		}
		_, err = s.Push(t.Context(), source.Spec{Datatype: "ok", Key: []string{"id"}},
			[]source.Change{{Op: source.Update, Key: []any{"a"}, Fields: map[string]any{evil: "b"}, Changed: []string{evil}}})
		require.ErrorContains(t, err, "has no column")
	}
	var n int
	require.NoError(t, p.db.QueryRow("SELECT count(*) FROM reading").Scan(&n))
	require.Equal(t, 1, n)
}
