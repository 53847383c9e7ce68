package launch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// The error for a store that cannot be opened says what to do.
func TestOpenStoreSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, data string)
		says    []string
	}{
		"--data is a file": {
			func(t *testing.T, data string) { require.NoError(t, os.WriteFile(data, []byte("x"), 0o600)) },
			[]string{"needs a directory", "with --data"},
		},
		"--data is a broken link": {
			func(t *testing.T, data string) { require.NoError(t, os.Symlink(data+"-none/x", data)) },
			[]string{"needs a directory", "with --data"},
		},
		"the file is damaged": {
			func(t *testing.T, data string) {
				inData(t, data, []byte("no database at all, and longer than a header"))
			},
			[]string{"headgate restore FILE", "headgate.db"},
		},
		"the file is none": {
			func(t *testing.T, data string) {
				require.NoError(t, os.MkdirAll(filepath.Join(data, "headgate.db"), 0o700))
			},
			[]string{"is a directory", "move ", "with --data"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Settings{Platform: hosting.Machine, Store: SQLite, Data: filepath.Join(t.TempDir(), "data")}
			c.prepare(t, s.Data)
			_, _, err := openStore(t.Context(), s, &config.Config{})
			require.Error(t, err)
			for _, text := range append(c.says, s.Data) {
				require.ErrorContains(t, err, text)
			}
		})
	}
	require.Contains(t, advice(Settings{Platform: hosting.Machine, Data: "d"}, sqlitestore.ErrForeign), "move d/headgate.db away")
	require.Contains(t, advice(Settings{Platform: hosting.Machine, Data: "d"}, sqlitestore.ErrReadOnly), "--data")
	require.Contains(t, advice(Settings{Platform: hosting.Machine, Data: "d"}, sqlitestore.ErrFull), "free some space on the disk of d")
}

// inData writes the file of the store.
func inData(t *testing.T, data string, content []byte) {
	t.Helper()
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, "headgate.db"), content, 0o600))
}
