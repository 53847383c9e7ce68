package sqlsource

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// numbers holds SQL that quickly fills a table with n rows.
var numbers = map[string]string{
	"postgres": "INSERT INTO big SELECT i, 'row ' || i, i / 7.0, TIMESTAMPTZ '2020-01-01' + i * INTERVAL '1 second' FROM generate_series(1, %d) i",
	"mysql":    "INSERT INTO big SELECT seq, CONCAT('row ', seq), seq / 7, TIMESTAMPADD(SECOND, seq, '2020-01-01') FROM seq_1_to_%d",
	"sqlite":   "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < %d) INSERT INTO big SELECT i, 'row ' || i, i / 7.0, datetime(1577836800 + i, 'unixepoch') FROM s",
}

// A pull of a table that is larger than the allowed memory succeeds.
func TestStream(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	for _, s := range []server{onPostgres, onMySQL, onSQLite} { // not in parallel, because memory is measured
		for _, cursor := range []string{"", "at"} {
			n := 200_000
			if s.name == "sqlite" {
				n = 2*sqliteBatch + 1 // fewer rows, because the race detector is slow
			}
			t.Run(s.name+"/cursor="+cursor, func(t *testing.T) {
				p := newPlace(t, s)
				p.exec(t, "CREATE TABLE big (id bigint PRIMARY KEY, name varchar(100), value double precision, at "+s.updated+")")
				p.exec(t, fmt.Sprintf(numbers[s.name], n))
				p.exec(t, "CREATE INDEX big_at ON big (at, id)")
				src := p.Open(t)
				start := time.Now()
				r, err := src.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "big", Key: []string{"id"}, CursorTime: cursor}, PageSize: 1000})
				require.NoError(t, err)
				var before, now runtime.MemStats
				rows, most := 0, uint64(0)
				for page := 0; ; page++ {
					got, err := r.Next(t.Context())
					if errors.Is(err, io.EOF) {
						break
					}
					require.NoError(t, err)
					rows += len(got.Rows)
					if page%20 == 10 {
						runtime.GC()
						runtime.ReadMemStats(&now)
						if before.HeapAlloc == 0 {
							before = now
						}
						most = max(most, now.HeapAlloc)
					}
				}
				require.Equal(t, n, rows)
				require.NoError(t, r.Close())
				t.Logf("%.0f rows/s, heap %d to %d KB", float64(n)/time.Since(start).Seconds(), before.HeapAlloc>>10, most>>10)
				require.Less(t, most, before.HeapAlloc+16<<20)
			})
		}
	}
}
