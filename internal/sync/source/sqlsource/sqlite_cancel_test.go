package sqlsource

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// A pull ends soon after its context, even within one call of a function or while SQLite
// determines the query's columns.
func TestAttackSQLiteQueriesEnd(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"instr":   "SELECT 1 AS id, instr(zeroblob(8000000), zeroblob(4000000)||x'01') AS v",
		"replace": "SELECT 1 AS id, replace(hex(zeroblob(3500000)), hex(zeroblob(1700000))||'1', '') AS v",
		"cursor":  "SELECT 1 AS id, instr(zeroblob(8000000), zeroblob(4000000)||x'01') AS updated_at",
		"typed":   "SELECT t.id, r.at FROM (SELECT 1 AS id WHERE instr(zeroblob(8000000), zeroblob(4000000)||x'01') = 0) t, reading r",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, onSQLite)
			p.exec(t, "CREATE TABLE reading (id text, at datetime)")
			p.exec(t, "INSERT INTO reading VALUES ('a', '2026-01-02 03:04:05')")
			p.options["tables"] = map[string]any{"q": map[string]any{"query": query}}
			s, err := Kind().Open(t.Context(), p.datasource(t), p.environment(t))
			require.NoError(t, err)
			spec := source.Spec{Datatype: "q", Key: []string{"id"}}
			if name == "cursor" {
				spec.CursorTime = "updated_at"
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				r, err := s.Pull(ctx, source.Pull{Spec: spec, PageSize: 100})
				if err == nil {
					_, err = r.Next(ctx)
					r.Close()
				}
				ended <- err
			}()
			select {
			case err := <-ended:
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NoError(t, s.Close())
			case <-time.After(2 * time.Minute):
				require.Fail(t, "the pull does not end")
			}
		})
	}
}
