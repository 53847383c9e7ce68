// Package doctest compares the generated parts of documents with the code that they come from.
package doctest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/docpart"
)

var update = flag.Bool("update", false, "write the generated parts of documents")

// Part requires that a document of docs has the text between the comments <!-- mark --> and
// <!-- /mark -->. With -update it writes the text there instead. root leads from the package of the
// test to the root of the module.
func Part(t *testing.T, root, document, mark, text string) {
	t.Helper()
	file := filepath.Join(filepath.FromSlash(root), "docs", document)
	is, err := os.ReadFile(file)
	require.NoError(t, err)
	want, err := docpart.Replace(string(is), mark, text)
	require.NoError(t, err, document)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(is), "go test -update, in the directory of this test, writes what %s is to have", document)
}
