package sqlitestore

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// Writes to removed files would be lost, so they are refused. When the files are moved back,
// the store takes writes again.
func TestWritesToRemovedFilesAreRefused(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][]string{"all": {"", "-wal", "-shm"}, "the file": {""}, "the log": {"-wal"}, "the log's index": {"-shm"}} {
		for _, replaced := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "store.db")
				s, err := Open(t.Context(), path)
				require.NoError(t, err)
				fill(t, s, 3)
				require.NoError(t, s.Writable(t.Context()))
				for _, end := range files {
					require.NoError(t, os.Rename(path+end, path+end+".away"))
					if replaced {
						require.NoError(t, os.WriteFile(path+end, nil, 0o600))
					}
				}
				require.ErrorIs(t, s.Writable(t.Context()), ErrGone, "at once, although the last write succeeded")
				r := request(time.Now())
				require.ErrorIs(t, s.Append(t.Context(), []store.Append{r})[0].Err, ErrGone)
				for _, end := range files {
					require.NoError(t, os.Rename(path+end+".away", path+end))
				}
				require.NoError(t, s.Append(t.Context(), []store.Append{r})[0].Err)
				require.NoError(t, s.Writable(t.Context()))
				require.NoError(t, s.Close())
			})
		}
	}
}

// Other processes that open and close the store leave its files in place.
func TestFilesStayBesideAnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	for range 3 {
		other, err := Open(t.Context(), path)
		require.NoError(t, err)
		fill(t, other, 100)
		require.NoError(t, Backup(t.Context(), path, filepath.Join(t.TempDir(), "copy.db"), nil))
		require.NoError(t, other.Close())
		require.NoError(t, s.w.files.present())
		fill(t, s, 100)
	}
	require.Len(t, s.w.files, 3)
	require.NoError(t, s.Close())
}
