package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// copies returns n copies of the expression.
func copies(n int, expression, between string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(expression, "%d", fmt.Sprint(i))
	}
	return strings.Join(parts, between)
}

// Several syncs run queries that need gigabytes of memory at once, although none of their
// values is too long. They do not kill the process.
func TestAttackMemoryOfManyValues(t *testing.T) {
	attacking(t)
	data := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(data, "empty.db"), nil, 0o600))
	p := startLimited(t, 1024*mib, options{data: data})
	for kind, query := range map[string]string{
		"columns":   "SELECT 1 AS id, 'x' AS name, " + copies(1990, "hex(zeroblob(32e3)) AS v%d", ", "),
		"wide":      "SELECT 1 AS id, 'x' AS name, " + copies(500, "hex(zeroblob(3e4)) AS v%d", ", "),
		"arguments": "SELECT 1 AS id, max(" + copies(100, "hex(zeroblob(4e6))", ", ") + ") AS name",
		"nested":    "SELECT 1 AS id, " + copies(300, "max(hex(zeroblob(4e6)), ", "") + "''" + copies(300, ")", "") + " AS name",
		"subquery":  "SELECT 1 AS id, " + copies(120, "length(v%d)", " + ") + " AS name FROM (SELECT " + copies(120, "hex(zeroblob(4e6)) AS v%d", ", ") + ")",
	} {
		text, err := json.Marshal(query)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for i := range 6 {
			id := fmt.Sprint(kind, i)
			p.defined(t, id, `{"type":"sql","url":"sqlite:empty.db","selectedDatatypes":["reading"],"options":{"tables":{"reading":{"query":`+string(text)+`}}}}`)
			wg.Go(func() {
				run, answer := p.runWith(t, id, "validate")
				if run.State != "failed" {
					t.Errorf("%s: %s", kind, answer)
				}
			})
		}
		wg.Wait()
		p.survives(t)
	}
}
