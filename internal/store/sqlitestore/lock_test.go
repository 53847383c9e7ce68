package sqlitestore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

func TestServeTellsOfTheOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	a, err := Open(t.Context(), path)
	require.NoError(t, err)
	b := openAt(t, path)
	require.Empty(t, servedBy(path))
	other, err := a.Serve("process 1")
	require.NoError(t, err)
	require.Empty(t, other)
	other, err = b.Serve("process 2")
	require.NoError(t, err)
	require.Equal(t, "process 1", other)
	require.NoError(t, b.Append(t.Context(), []store.Append{request(time.Now())})[0].Err, "both go on")
	require.NoError(t, a.Close())
	require.Empty(t, servedBy(path), "what is written there is of a process that ended")
	other, err = b.Serve("process 2")
	require.NoError(t, err)
	require.Empty(t, other)
}
