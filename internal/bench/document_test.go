package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheTableIsBetweenTheCommentsOfTheDocument states that all else of the document stays, that a
// second writing replaces the first, and that a document without the comments is not changed.
func TestTheTableIsBetweenTheCommentsOfTheDocument(t *testing.T) {
	t.Parallel()
	const before, after = "# Performance\n\ntext\n\n<!-- bench -->\n", "<!-- /bench -->\n\nThe table has `<!-- bench` before it.\n"
	once, err := inDocument(before+"an old table\n"+after, "one\n")
	require.NoError(t, err)
	require.Equal(t, before+"one\n\n"+after, once)
	twice, err := inDocument(once, "two\n")
	require.NoError(t, err)
	require.Equal(t, before+"two\n\n"+after, twice)

	for _, is := range []string{"", "text", before, after, "<!-- bench -->", after + before} {
		_, err := inDocument(is, "one\n")
		require.Error(t, err, is)
	}
}
