package sqlsource

import (
	"fmt"
	"testing"

	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

// conform runs the suite, or skips it if the server is not available.
func conform(t *testing.T, s server, cursor, soft bool) {
	t.Helper()
	if s.env != "" {
		s.serverURL(t)
	}
	sourcetest.Run(t, harness(t, s, cursor, soft))
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	conform(t, onPostgres, true, true)
}

func TestPostgresWithoutZones(t *testing.T) {
	t.Parallel()
	conform(t, onPostgresLocal, true, false)
}

func TestPostgresWithoutCursor(t *testing.T) {
	t.Parallel()
	conform(t, onPostgres, false, false)
}

func TestPostgresChoosesKeys(t *testing.T) {
	t.Parallel()
	conform(t, onPostgresKeys, true, true)
}

func TestMySQL(t *testing.T) {
	t.Parallel()
	conform(t, onMySQL, true, true)
}

func TestMySQLStamps(t *testing.T) {
	t.Parallel()
	conform(t, onMySQLStamps, true, false)
}

func TestMySQLWithoutCursor(t *testing.T) {
	t.Parallel()
	conform(t, onMySQL, false, false)
}

func TestMySQLChoosesKeys(t *testing.T) {
	t.Parallel()
	conform(t, onMySQLKeys, true, true)
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	conform(t, onSQLite, true, true)
}

func TestSQLiteISO(t *testing.T) {
	t.Parallel()
	conform(t, onSQLiteISO, true, false)
}

func TestSQLiteMillis(t *testing.T) {
	t.Parallel()
	conform(t, onSQLiteMillis, true, true)
}

func TestSQLiteWithoutCursor(t *testing.T) {
	t.Parallel()
	conform(t, onSQLite, false, false)
}

func TestSQLiteChoosesKeys(t *testing.T) {
	t.Parallel()
	conform(t, onSQLiteKeys, true, true)
}

// TestInBatches runs the suite with short queries, so that queries end within a page and
// within a run of equal times.
func TestInBatches(t *testing.T) {
	t.Parallel()
	for _, s := range []server{onPostgres, onMySQL, onSQLite} {
		s.batch = 2
		for _, cursor := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/cursor=%v", s.name, cursor), func(t *testing.T) {
				t.Parallel()
				sourcetest.Run(t, harness(t, s, cursor, false))
			})
		}
	}
}
