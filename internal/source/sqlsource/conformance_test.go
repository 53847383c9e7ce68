package sqlsource

import (
	"fmt"
	"testing"

	"github.com/headgate/headgate/internal/source/sourcetest"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onPostgres, true, true))
}

func TestPostgresWithoutZones(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onPostgresLocal, true, false))
}

func TestPostgresWithoutCursor(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onPostgres, false, false))
}

func TestPostgresChoosesKeys(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onPostgresKeys, true, true))
}

func TestMySQL(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onMySQL, true, true))
}

func TestMySQLStamps(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onMySQLStamps, true, false))
}

func TestMySQLWithoutCursor(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onMySQL, false, false))
}

func TestMySQLChoosesKeys(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onMySQLKeys, true, true))
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onSQLite, true, true))
}

func TestSQLiteISO(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onSQLiteISO, true, false))
}

func TestSQLiteMillis(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onSQLiteMillis, true, true))
}

func TestSQLiteWithoutCursor(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onSQLite, false, false))
}

func TestSQLiteChoosesKeys(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, harness(onSQLiteKeys, true, true))
}

// TestInBatches has queries end within a pull, a page and a run of equal times.
func TestInBatches(t *testing.T) {
	t.Parallel()
	for _, s := range []server{onPostgres, onMySQL, onSQLite} {
		s.batch = 2
		for _, cursor := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/cursor=%v", s.name, cursor), func(t *testing.T) {
				t.Parallel()
				sourcetest.Run(t, harness(s, cursor, false))
			})
		}
	}
}
