package client_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The first lines of Go in docs/clients.md are those of examples/client, which is compiled
// with the rest, and which a test of internal/e2e runs.
func TestTheDocumentsLinesAreCompiled(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/clients.md")
	require.NoError(t, err)
	source, err := os.ReadFile("../examples/client/main.go")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(string(doc))
	require.NotNil(t, block)
	require.Contains(t, string(source), "\n"+block[1]+"\n")
}
