package live_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The code in docs/live.md is part of the examples, which are compiled and run.
func TestTheDocumentsCodeIsTested(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/live.md")
	require.NoError(t, err)
	source, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		lines := strings.SplitAfter(block[1], "\n")
		for i, line := range lines {
			if strings.TrimSpace(line) != "" {
				lines[i] = "\t" + line
			}
		}
		require.Contains(t, string(source), strings.Join(lines, ""))
	}
}
