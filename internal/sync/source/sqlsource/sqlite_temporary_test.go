package sqlsource

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
)

// sorting is a query that sorts more rows than fit into memory.
const sorting = `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 300)
	SELECT count(*) || '' AS id FROM (SELECT DISTINCT hex(zeroblob(100000)) || i AS v FROM s ORDER BY v DESC LIMIT 250)`

// A query that sorts more rows than fit into memory still works.
func TestSQLiteSortsInTemporaryFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	rows, err := queried(t, p, sorting, "")
	require.NoError(t, err)
	require.Equal(t, "250", rows[0].Values[0])
}

// A short query that sorts without end fails before it fills the disk, and its temporary
// files are removed. The test does not run in parallel, because it uses the whole limit.
func TestAttackSQLiteFillsTheDisk(t *testing.T) {
	if os.Getenv("HEADGATE_ATTACK") == "" {
		t.Skip("HEADGATE_ATTACK is not set: it writes a gigabyte")
	}
	const endless = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s) SELECT "
	p := newPlace(t, onSQLite)
	_, err := queried(t, p, endless+"count(*) AS id FROM s GROUP BY i, zeroblob(2000000)", "")
	require.ErrorContains(t, err, "temporary files")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	_, err = queried(t, p, sorting, "")
	require.NoError(t, err)
}
