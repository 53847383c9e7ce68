package sqlsource

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// repeated returns the text n times, with the number of each in place of %d.
func repeated(n int, text, between string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(text, "%d", fmt.Sprint(i))
	}
	return strings.Join(parts, between)
}

// hungry returns short queries on an empty file that need gigabytes of memory, by the place
// of that memory. None of their values is too long.
func hungry() map[string]string {
	subquery := "(SELECT " + repeated(120, "hex(zeroblob(4e6)) AS v%d", ", ") + ")"
	return map[string]string{
		"arguments": "SELECT 1 AS id, max(" + repeated(100, "hex(zeroblob(4e6))", ", ") + ") > '' AS v",
		"nested":    "SELECT 1 AS id, " + repeated(100, "max(hex(zeroblob(4e6)), ", "") + "''" + repeated(100, ")", "") + " > '' AS v",
		"small":     "SELECT 1 AS id, " + repeated(3, "max("+repeated(100, "v%d", ", ")+")", " || ") + " > '' AS v FROM (SELECT " + repeated(120, "hex(zeroblob(1e6)) AS v%d", ", ") + ")",
		"subquery":  "SELECT 1 AS id, " + repeated(120, "length(v%d)", " + ") + " AS v FROM " + subquery,
	}
}

// The memory of a query is bounded, wherever the query needs it. The next query can use it
// again.
func TestAttackSQLiteMemory(t *testing.T) {
	for name, query := range hungry() { // not in parallel, because all queries share the memory
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, onSQLite)
			rows, err := queried(t, p, query, "")
			t.Log(len(query), err)
			require.Empty(t, rows)
			require.ErrorContains(t, err, "MiB of memory")
			require.Equal(t, fault.Unavailable, fault.CodeOf(err))
			rows, err = queried(t, p, "SELECT 1 AS id, hex(zeroblob(3e6)) AS v", "")
			require.NoError(t, err)
			require.Len(t, rows, 1)
		})
	}
}

// The columns of a row are bounded together.
func TestAttackSQLiteColumns(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	_, err := queried(t, p, "SELECT 1 AS id, "+repeated(1990, "hex(zeroblob(32e3)) AS v%d", ", "), "")
	require.ErrorContains(t, err, "at most 512 columns")
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	_, err = queried(t, p, "SELECT 1 AS id, "+repeated(500, "hex(zeroblob(35e3)) AS v%d", ", "), "")
	require.ErrorContains(t, err, "its share of 32 MiB")
	rows, err := queried(t, p, "SELECT 1 AS id, "+repeated(500, "hex(zeroblob(50)) AS v%d", ", "), "")
	require.NoError(t, err)
	require.Len(t, rows, 1)
}

// A query with too many expressions to be stopped soon is refused with a message.
func TestAttackSQLiteExpressions(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	_, err := queried(t, p, "SELECT 1 AS id, "+repeated(50, "max("+repeated(100, "length(v)", ", ")+")", " + ")+" AS v FROM (SELECT hex(zeroblob(4e6)) AS v)", "")
	require.ErrorContains(t, err, "too many expressions")
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}

// A table with many columns is read, even if one value is longer than a column's share.
func TestSQLiteManyColumns(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	p.exec(t, "CREATE TABLE reading (id text PRIMARY KEY, "+repeated(1900, "c%d text", ", ")+")")
	for _, id := range []string{"a", "b"} {
		p.exec(t, "INSERT INTO reading VALUES ('"+id+"', "+repeated(1900, "hex(zeroblob(1000))", ", ")+")")
	}
	keys, rejects, _ := everything(t, p.Open(t), source.Spec{Datatype: "reading", Key: []string{"id"}})
	require.Equal(t, []string{"a", "b"}, keys)
	require.Empty(t, rejects)
}
