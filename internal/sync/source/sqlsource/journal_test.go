package sqlsource

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// hotJournal returns the rollback journal of an unfinished transaction over several
// databases. After SQLite has rolled back, it deletes the file that the journal names. The
// database is size bytes long.
func hotJournal(names string, size int64) []byte {
	magic := []byte{0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7}
	b := make([]byte, 512)
	copy(b, magic)
	binary.BigEndian.PutUint32(b[8:], 0)  // pages
	binary.BigEndian.PutUint32(b[12:], 1) // nonce
	binary.BigEndian.PutUint32(b[16:], uint32(size/4096))
	binary.BigEndian.PutUint32(b[20:], 512)  // size of a sector
	binary.BigEndian.PutUint32(b[24:], 4096) // size of a page
	b = binary.BigEndian.AppendUint32(b, 1<<30/4096+1)
	b = append(b, names...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(names)))
	sum := uint32(0)
	for _, c := range []byte(names) {
		sum += uint32(int8(c))
	}
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(b, magic...)
}

// A journal beside a database can name any file of the machine, and SQLite would delete
// that file. A definition can create such a journal, as a CSV file with the journal's name.
// So a database with such a journal is refused with a message, and the journal stays.
func TestAttackSQLiteJournalThatNamesAFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onSQLite)
	p.exec(t, "CREATE TABLE reading (id text PRIMARY KEY, name text)")
	p.exec(t, "INSERT INTO reading VALUES ('a', 'x')")
	require.NoError(t, p.db.Close())
	victim := filepath.Join(t.TempDir(), "victim-mj0123456789")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	info, err := os.Stat(filepath.Join(p.dir, "some.db"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "some.db-journal"), hotJournal(victim, info.Size()), 0o600))
	before := directory(t, p.dir)
	spec := source.Spec{Datatype: "reading", Key: []string{"id"}}
	s := p.Open(t)
	_, err = s.Pull(t.Context(), source.Pull{Spec: spec, PageSize: 10})
	require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "a program did not finish its last transaction")
	_, err = s.Push(t.Context(), spec, []source.Change{{Op: source.Create, Key: []any{"b"}, Fields: map[string]any{"id": "b", "name": "y"}}})
	require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
	require.FileExists(t, victim)
	require.Equal(t, before, directory(t, p.dir))
}
