package sqlsource

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	s := sizes{of: map[uintptr]int64{}, most: 100}
	require.True(t, s.grow(1, 60))
	require.True(t, s.grow(1, 10), "it has them")
	require.False(t, s.grow(2, 41), "all files together")
	require.True(t, s.grow(2, 40))
	s.cut(1, 20)
	require.True(t, s.grow(2, 80))
	s.cut(2, 0)
	s.cut(3, 0)
	require.Equal(t, int64(20), s.total)
	require.Len(t, s.of, 1)
	s.cut(1, 0)
	require.Zero(t, s.total)
}

// A query that sorts more than fits into memory still works, and gives back what it took.
func TestSQLiteSortsInTemporaryFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	rows, err := queried(t, p, `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 300)
		SELECT count(*) || '' AS id FROM (SELECT DISTINCT hex(zeroblob(100000)) || i AS v FROM s ORDER BY v DESC LIMIT 250)`, "")
	require.NoError(t, err)
	require.Equal(t, "250", rows[0].Values[0])
}

// A short query that sorts without end fails before it fills the disk. It runs alone.
func TestAttackSQLiteFillsTheDisk(t *testing.T) {
	if os.Getenv("HEADGATE_ATTACK") == "" {
		t.Skip("HEADGATE_ATTACK is not set: it writes a gigabyte")
	}
	const endless = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s) SELECT "
	p := newPlace(t, onSQLite)
	_, err := queried(t, p, endless+"count(*) AS id FROM s GROUP BY i, zeroblob(2000000)", "")
	require.ErrorContains(t, err, "temporary files")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.Zero(t, temporaries.total)
}
