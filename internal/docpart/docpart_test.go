package docpart_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/docpart"
)

// All else of the document stays, a second writing replaces the first, and a document without the
// comments is not changed.
func TestReplace(t *testing.T) {
	t.Parallel()
	const before, after = "# Performance\n\ntext\n\n<!-- bench -->\n", "<!-- /bench -->\n\nThe table has `<!-- bench` before it.\n"
	once, err := docpart.Replace(before+"an old table\n"+after, "bench", "one\n")
	require.NoError(t, err)
	require.Equal(t, before+"one\n"+after, once)
	twice, err := docpart.Replace(once, "bench", "two\n")
	require.NoError(t, err)
	require.Equal(t, before+"two\n"+after, twice)

	for _, document := range []string{"", "text", before, after, "<!-- bench -->", after + before, before + "<!-- /other -->"} {
		_, err := docpart.Replace(document, "bench", "one\n")
		require.Error(t, err, document)
	}
}
