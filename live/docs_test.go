package live_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program in docs/live.md is examples/live, which is compiled with the rest.
func TestTheDocumentsProgramIsCompiled(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/live.md")
	require.NoError(t, err)
	source, err := os.ReadFile("../examples/live/main.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	require.Len(t, blocks, 1)
	_, program, _ := strings.Cut(string(source), "\npackage main\n")
	require.Equal(t, "package main\n"+program, blocks[0][1])
}
