package sqlsource

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// everything pulls all pages. It returns the keys, the rejects by key and the bytes of text
// of the largest page.
func everything(t testing.TB, s source.Source, spec source.Spec) (keys []string, rejects map[string]string, largest int) {
	t.Helper()
	r, err := s.Pull(t.Context(), source.Pull{Spec: spec, PageSize: 1000})
	require.NoError(t, err)
	defer r.Close()
	rejects = map[string]string{}
	for {
		page, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return keys, rejects, largest
		}
		require.NoError(t, err)
		n := 0
		for _, row := range page.Rows {
			id, _ := row.Get("id")
			keys = append(keys, fmt.Sprint(id))
			for _, v := range row.Values {
				if s, ok := v.(string); ok {
					n += len(s)
				}
			}
		}
		for _, x := range page.Rejects {
			rejects[x.Key] = x.Reason
		}
		largest = max(largest, n)
	}
}

// megabytes returns an SQL expression for a text of n MiB.
func megabytes(s server, n string) string {
	switch s.name {
	case "sqlite":
		return "substr(hex(zeroblob((" + n + ") * 524288)), 1)"
	case "mysql":
		return "REPEAT('x', (" + n + ") * 1048576)"
	}
	return "repeat('x', (" + n + ") * 1048576)"
}

// A row that is too long is rejected at any place in the order. Every other row is read.
func TestRowsThatAreTooLong(t *testing.T) {
	t.Parallel()
	for _, s := range []server{onPostgres, onMySQL, onSQLite} {
		for _, cursor := range []string{"", "updated_at"} {
			for _, index := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/cursor=%s/index=%v", s.name, cursor, index), func(t *testing.T) {
					t.Parallel()
					p := newPlace(t, s)
					text := map[string]string{"mysql": "longtext"}[s.name]
					if text == "" {
						text = "text"
					}
					key := "PRIMARY KEY"
					if !index {
						key = ""
					}
					p.exec(t, fmt.Sprintf("CREATE TABLE reading (id varchar(100) %s, a %s, b %s, updated_at %s)", key, text, text, s.updated))
					stamp := "'2026-01-02 03:04:05'"
					for id, sizes := range map[string][2]string{"a": {"0", "0"}, "b": {"9", "0"}, "c": {"1", "1"}, "d": {"5", "5"}, "e": {"9", "9"}, "f": {"3", "3"}} {
						p.exec(t, fmt.Sprintf("INSERT INTO reading VALUES ('%s', %s, %s, %s)", id, megabytes(s, sizes[0]), megabytes(s, sizes[1]), stamp))
					}
					p.exec(t, "INSERT INTO reading VALUES ('g', 'x', NULL, NULL)") // with a cursor, the pass for NULL reads this row first
					if !index {
						p.exec(t, "INSERT INTO reading VALUES (NULL, 'x', NULL, NULL)")
						p.exec(t, fmt.Sprintf("INSERT INTO reading VALUES (NULL, %s, NULL, NULL)", megabytes(s, "9")))
					}
					keys, rejects, _ := everything(t, p.Open(t), source.Spec{Datatype: "reading", Key: []string{"id"}, CursorTime: cursor})
					require.ElementsMatch(t, []string{"a", "c", "f", "g"}, keys)
					for _, id := range []string{"b", "d", "e"} {
						require.Contains(t, rejects[id], "8 MiB", id)
					}
					if !index {
						require.Contains(t, rejects[""], "the key is NULL")
					}
				})
			}
		}
	}
}

// A page ends before its rows take too much memory, even if it may have more rows.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	for _, s := range []server{onPostgres, onMySQL, onSQLite} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, s)
			series := map[string]string{
				"postgres": "SELECT i AS id, %s AS v FROM generate_series(1, 12) i",
				"mysql":    "SELECT seq AS id, %s AS v FROM seq_1_to_12",
				"sqlite":   "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 12) SELECT i AS id, %s AS v FROM s",
			}[s.name]
			p.options["tables"] = map[string]any{"q": map[string]any{"query": fmt.Sprintf(series, megabytes(s, "7"))}}
			keys, rejects, largest := everything(t, p.Open(t), source.Spec{Datatype: "q", Key: []string{"id"}})
			require.Len(t, keys, 12)
			require.Empty(t, rejects)
			require.LessOrEqual(t, largest, source.PageBytes+maxRow)
		})
	}
}

// A query cannot produce a value that is larger than a pull may read.
func TestAttackHugeValues(t *testing.T) {
	for _, s := range []server{onPostgres, onMySQL, onSQLite} { // not in parallel, because memory is measured
		t.Run(s.name, func(t *testing.T) {
			if s.name != "sqlite" && os.Getenv("HEADGATE_ATTACK") == "" {
				t.Skip("it takes seconds: make attack runs it")
			}
			p := newPlace(t, s)
			query := map[string]string{
				"postgres": "SELECT 1 AS id, repeat('x', 100000000) AS v",
				"mysql":    "SELECT 1 AS id" + strings.Repeat(", REPEAT('x', 16000000) AS v%d", 8),
				"sqlite":   "SELECT 1 AS id, hex(zeroblob(4e8)) AS v",
			}[s.name]
			for i := range 8 {
				query = strings.Replace(query, "%d", fmt.Sprint(i), 1)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rows, err := queried(t, p, query, "")
			runtime.ReadMemStats(&after)
			t.Logf("allocated %d MB: %v", (after.TotalAlloc-before.TotalAlloc)>>20, err)
			require.Empty(t, rows)
			if s.name == "sqlite" {
				require.ErrorContains(t, err, "a row is longer than 8 MiB")
			} else {
				require.NoError(t, err) // the row is a reject
			}
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20))
		})
	}
}

// The values of a row are bounded together, even if each is short enough alone.
func TestSQLiteRowOfManyLongValues(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	query := "SELECT 1 AS id"
	for i := range 500 {
		query += fmt.Sprintf(", zeroblob(8000000) AS v%d", i)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := queried(t, p, query, "")
	require.ErrorContains(t, err, "longer than")
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(500<<20)) // without the bound 4 GB; other tests allocate too
	p.exec(t, "CREATE TABLE reading (id text PRIMARY KEY, a, b, c, d, e, f, g, h)")
	p.exec(t, "INSERT INTO reading (id, a, b) VALUES ('a', zeroblob(5000000), zeroblob(5000000)), ('b', zeroblob(7000000), 1), ('c', 1, 1)")
	keys, rejects, _ := everything(t, p.Open(t), source.Spec{Datatype: "reading", Key: []string{"id"}})
	require.Equal(t, []string{"b", "c"}, keys)
	require.Contains(t, rejects["a"], "8 MiB")
}
