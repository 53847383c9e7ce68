package firestorestore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
)

// An instance does not become ready on a database of the former layout. Another application's
// collection of the same name does not disturb it.
func TestFormerLayout(t *testing.T) {
	t.Parallel()
	_, project := emulator.Firestore(t)
	s := openStore(t, project)
	doc := s.client.Collection("endpoints").Doc("orders:stock")
	_, err := doc.Set(t.Context(), map[string]any{"url": "https://example.com"})
	require.NoError(t, err)
	require.NoError(t, openStore(t, project).Writable(t.Context()))
	_, err = doc.Set(t.Context(), map[string]any{"latest": 1})
	require.NoError(t, err)
	require.ErrorIs(t, s.Writable(t.Context()), errFormerLayout)
}
