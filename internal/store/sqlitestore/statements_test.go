package sqlitestore

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorder records the texts of prepared statements.
type recorder struct {
	preparer
	texts *[]string
}

func (r recorder) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	*r.texts = append(*r.texts, query)
	return r.preparer.PrepareContext(ctx, query)
}

// harmless matches scans of a statement's own values, and of the one row of revision.
var harmless = regexp.MustCompile(`^SCAN (\(subquery|CONSTANT ROW$|\d+-ROW VALUES CLAUSE$|revision$)`)

// Every statement finds its rows by an index, and in order.
func TestQueryPlans(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	var texts []string
	_, err := prepareQueries(t.Context(), recorder{s.read, &texts})
	require.NoError(t, err)
	_, err = prepareStatements(t.Context(), recorder{s.read, &texts})
	require.NoError(t, err)
	require.Greater(t, len(texts), 30)
	for _, text := range texts {
		require.NotContains(t, text, "LIMIT ?", "SQLite would plan it again for each bind: write LIMIT +?")
		rows, err := s.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?"))...)
		if err != nil && strings.Contains(err.Error(), "syntax error") {
			continue // BEGIN and the like have no plan
		}
		require.NoError(t, err, text)
		for rows.Next() {
			var a, b, c int
			var plan string
			require.NoError(t, rows.Scan(&a, &b, &c, &plan))
			if strings.HasPrefix(plan, "SCAN") && !harmless.MatchString(plan) || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s\n%s", text, plan)
			}
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
}
