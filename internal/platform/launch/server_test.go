package launch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// A command finds the server of a store by its introduction.
func TestServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		base, function string
		want           string
	}{
		"all functions":    {"http://127.0.0.1:8080", "", "http://127.0.0.1:8080"},
		"syncs":            {"http://127.0.0.1:8080", "syncrun", "http://127.0.0.1:8080"},
		"another function": {"http://127.0.0.1:8080", "ingest", ""},
		"no address":       {"", "", ""},
		"neither":          {"", "ingest", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Settings{Platform: hosting.Machine, Store: SQLite, Data: filepath.Join(t.TempDir(), "data"), Base: c.base, Function: c.function}
			who, _ := s.Server("syncrun")
			require.Empty(t, who)
			require.False(t, s.StoreExists())
			require.NoDirExists(t, s.Data, "asking makes nothing")

			st, err := sqlitestore.Open(t.Context(), s.storeFile())
			require.NoError(t, err)
			require.True(t, s.StoreExists())
			who, _ = s.Server("syncrun")
			require.Empty(t, who)
			require.NoFileExists(t, s.storeFile()+".serving", "asking makes nothing")

			other, err := st.Serve(s.introduction())
			require.NoError(t, err)
			require.Empty(t, other)
			who, address := s.Server("syncrun")
			require.Equal(t, strings.Join(strings.Fields(strings.Replace(s.introduction(), " http", " at http", 1)), " "), strings.Join(strings.Fields(who), " "))
			require.Equal(t, c.want, address)

			require.NoError(t, st.Close())
			who, _ = s.Server("syncrun")
			require.Empty(t, who, "the process has ended")
		})
	}
	cloud := Settings{Platform: hosting.Machine, Store: Firestore, Data: t.TempDir()}
	require.True(t, cloud.StoreExists())
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.True(t, Settings{Platform: hosting.Machine, Store: SQLite, Data: file}.StoreExists(), "Open reports a file that cannot be a store")
}
