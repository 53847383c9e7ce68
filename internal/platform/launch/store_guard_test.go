package launch

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/sync/source"
)

// The embedded store lies below the directory that syncs may use, and contains every
// credential. No sync can read or write it, under any name.
func TestNoSyncReadsTheStoreItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	for _, name := range []string{"data/headgate.db", "data/headgate.db-wal", "data/mine.db", "data/mine.csv"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("id\n"), 0o600))
	}
	require.NoError(t, os.Symlink("headgate.db", filepath.Join(dir, "data/link.db")))
	require.NoError(t, os.Link(filepath.Join(dir, "data/headgate.db"), filepath.Join(dir, "hard.db")))
	env, err := sourceEnv(Settings{Platform: hosting.Machine, Data: filepath.Join(dir, "data")}, &config.Sync{Directory: dir}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer env.Dir.Close()
	open := func(d source.Datasource) error {
		s, err := Kinds()[d.Type].Open(t.Context(), d, env)
		if err != nil {
			return err
		}
		defer s.Close()
		r, err := s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "x", Key: []string{"id"}}, PageSize: 1})
		if err == nil {
			err = r.Close()
		}
		return err
	}
	for _, name := range []string{"data/headgate.db", "data/../data/headgate.db", "data/link.db", "hard.db", "data/headgate.db-wal"} {
		require.ErrorContains(t, open(source.Datasource{Type: "sql", URL: "sqlite:" + name, Options: json.RawMessage(`{}`)}), "is Headgate's own", name)
		require.ErrorContains(t, open(source.Datasource{Type: "csv", FileURL: name}), "is Headgate's own", name)
	}
	require.NoError(t, open(source.Datasource{Type: "csv", FileURL: "data/mine.csv"}))
	require.NotContains(t, open(source.Datasource{Type: "sql", URL: "sqlite:data/mine.db"}).Error(), "own")
}

// A backup contains the same credentials, under a name that cannot be foreseen.
func TestNoSyncReadsABackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := Settings{Platform: hosting.Machine, Store: SQLite, Data: filepath.Join(dir, "data")}
	st, _, err := openStore(t.Context(), settings, &config.Config{})
	require.NoError(t, err)
	require.NoError(t, Backup(t.Context(), settings, filepath.Join(dir, "monday.db"), nil))
	require.NoError(t, st.Close())
	require.NoError(t, os.Rename(filepath.Join(dir, "data/headgate.db"), filepath.Join(dir, "old.csv"))) // as a person might
	env, err := sourceEnv(Settings{Platform: hosting.Machine, Data: filepath.Join(dir, "data")}, &config.Sync{Directory: dir}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer env.Dir.Close()
	for _, name := range []string{"monday.db", "old.csv"} {
		_, err := Kinds()["sql"].Open(t.Context(), source.Datasource{Type: "sql", URL: "sqlite:" + name, Options: json.RawMessage(`{}`)}, env)
		require.ErrorContains(t, err, "is Headgate's own, or a copy")
		s, err := Kinds()["csv"].Open(t.Context(), source.Datasource{Type: "csv", FileURL: name}, env)
		require.NoError(t, err)
		_, err = s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "x", Key: []string{"id"}}, PageSize: 1})
		require.ErrorContains(t, err, "is Headgate's own, or a copy")
		require.NoError(t, s.Close())
	}
}

// The store's content is refused as a CSV file also if it is compressed or in an
// archive, and so is the log with the newest pages, for any encoding of a definition.
func TestNoSyncReadsAPackedBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := Settings{Platform: hosting.Machine, Store: SQLite, Data: filepath.Join(dir, "data")}
	st, _, err := openStore(t.Context(), settings, &config.Config{})
	require.NoError(t, err)
	log, err := os.ReadFile(filepath.Join(dir, "data/headgate.db-wal"))
	require.NoError(t, err)
	require.NotEmpty(t, log)
	require.NoError(t, Backup(t.Context(), settings, filepath.Join(dir, "monday.db"), nil))
	require.NoError(t, st.Close())
	backup, err := os.ReadFile(filepath.Join(dir, "monday.db"))
	require.NoError(t, err)

	gz := func(content []byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(content)
		require.NoError(t, errors.Join(err, z.Close()))
		return b.Bytes()
	}
	tarred := func(name string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(backup))}))
		_, err := w.Write(backup)
		require.NoError(t, errors.Join(err, w.Close()))
		return b.Bytes()
	}
	var stored bytes.Buffer
	z := zip.NewWriter(&stored)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "monday.db", Method: zip.Store})
	require.NoError(t, err)
	_, err = w.Write(backup)
	require.NoError(t, errors.Join(err, z.Close()))
	journal := append([]byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\nx\x00"), backup...)

	env, err := sourceEnv(Settings{Platform: hosting.Machine, Data: filepath.Join(dir, "data")}, &config.Sync{Directory: dir}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer env.Dir.Close()
	for name, content := range map[string][]byte{
		"monday.db.gz": gz(backup), "wal": log, "wal.gz": gz(log), "journal": journal, "journal.gz": gz(journal),
		"tar": tarred("monday.db"), "tgz": gz(tarred("monday.db")), "a long name.tar": tarred(strings.Repeat("n", 100)),
		"zip": stored.Bytes(), "zip.gz": gz(stored.Bytes()), "a newline first.zip": append([]byte("PK\x03\x04\n"), stored.Bytes()[5:]...),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "copy"), content, 0o600))
		for _, encoding := range []string{"", "utf-16le", "utf-16be", "windows-1252", "iso-8859-1"} {
			s, err := Kinds()["csv"].Open(t.Context(), source.Datasource{Type: "csv", FileURL: "copy", Options: json.RawMessage(`{"encoding":"` + encoding + `","columns":["id","a"]}`)}, env)
			require.NoError(t, err)
			_, err = s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "x", Key: []string{"id"}}, PageSize: 1})
			require.Error(t, err, "%s %s", name, encoding)
			require.Regexp(t, "is Headgate's own, or a copy|is not text", err.Error(), "%s %s", name, encoding)
			require.NoError(t, s.Close())
		}
	}
}

// A copied log contains pages of the store: SQLite applies it to any file of that name.
func TestNoSyncReadsACopiedLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := Settings{Platform: hosting.Machine, Store: SQLite, Data: filepath.Join(dir, "data")}
	st, _, err := openStore(t.Context(), settings, &config.Config{})
	require.NoError(t, err)
	log, err := os.ReadFile(filepath.Join(dir, "data/headgate.db-wal"))
	require.NoError(t, err)
	require.NoError(t, st.Close())
	env, err := sourceEnv(Settings{Platform: hosting.Machine, Data: filepath.Join(dir, "data")}, &config.Sync{Directory: dir}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer env.Dir.Close()
	for name, content := range map[string]string{"text": "id\n1\n", "page": strings.Repeat("x", 4096)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-wal"), log, 0o600))
		s, err := Kinds()["sql"].Open(t.Context(), source.Datasource{Type: "sql", URL: "sqlite:" + name, Options: json.RawMessage(`{"tables":{"x":{"query":"SELECT name AS id FROM sqlite_schema"}}}`)}, env)
		var page source.Page
		if err == nil {
			var r source.Reader
			if r, err = s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "x", Key: []string{"id"}}, PageSize: 1}); err == nil {
				page, err = r.Next(t.Context())
				require.NoError(t, r.Close())
			}
			require.NoError(t, s.Close())
		}
		require.ErrorContains(t, err, "is Headgate's own, or a copy", "%s: %v", name, page)
	}
}
