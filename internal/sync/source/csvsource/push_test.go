package csvsource

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// pushRows pushes to a file with the key id. It returns the results and the new content.
func pushRows(t testing.TB, dir *os.Root, opts string, changes ...source.Change) ([]source.Result, string, error) {
	s, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv", Options: []byte(opts)}, source.Env{Dir: dir})
	require.NoError(t, err)
	results, err := s.Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, changes)
	content, readErr := dir.ReadFile("f.csv")
	require.NoError(t, readErr)
	return results, string(content), err
}

var second = source.Change{Op: source.Create, Key: []any{"2"}, Fields: map[string]any{"id": "2", "name": "für"}}

// A rewritten file keeps its form, so that Headgate and other programs can still read it.
func TestAPushKeepsTheForm(t *testing.T) {
	t.Parallel()
	latin, err := charmap.ISO8859_1.NewEncoder().String("id,name\n1,été\n")
	require.NoError(t, err)
	for name, c := range map[string]struct{ content, options string }{
		"UTF-8":        {"id,name\n1,été\n", "{}"},
		"UTF-8 marked": {"\ufeffid,name\n1,été\n", "{}"},
		"Latin-1":      {latin, `{"encoding": "latin-1"}`},
		"UTF-16":       {utf16(t, unicode.LittleEndian, "id,name\n1,été\n"), "{}"},
		"UTF-16 big":   {utf16(t, unicode.BigEndian, "id,name\n1,été\n"), "{}"},
		"gzip":         {gz("id,name\n1,été\n"), "{}"},
		"both":         {gz(latin), `{"encoding": "latin-1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := root(t, map[string]string{"f.csv": c.content})
			require.NoError(t, dir.Chmod("f.csv", 0o640))
			_, now, err := pushRows(t, dir, c.options, second)
			require.NoError(t, err)
			require.Equal(t, c.content[:2], now[:2], "the mark, or gzip's")
			rows, rejects, err := readFile(t, now, c.options, 10)
			require.NoError(t, err)
			require.Empty(t, rejects)
			require.Len(t, rows, 2)
			require.Equal(t, []any{"été", "für"}, []any{rows[0]["name"], rows[1]["name"]})
			info, err := dir.Stat("f.csv")
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o640), info.Mode())
		})
	}
}

// A change with a character that the encoding lacks is refused by itself. Its row stays as it
// is, and the other changes are made.
func TestAPushOfCharactersThatTheEncodingLacks(t *testing.T) {
	t.Parallel()
	dir := root(t, map[string]string{"f.csv": "id,name\n1,x\n3,y\n"})
	results, now, err := pushRows(t, dir, `{"encoding": "latin-1"}`,
		source.Change{Op: source.Update, Key: []any{"1"}, Fields: map[string]any{"name": "水"}, Changed: []string{"name"}, Expect: map[string]any{"name": "x"}},
		source.Change{Op: source.Update, Key: []any{"3"}, Fields: map[string]any{"name": "z"}, Changed: []string{"name"}, Expect: map[string]any{"name": "y"}},
		source.Change{Op: source.Create, Key: []any{"水"}, Fields: map[string]any{"id": "水", "name": "w"}},
		source.Change{Op: source.Create, Key: []any{"4"}, Fields: map[string]any{"id": "4", "水": "w"}},
		second)
	require.NoError(t, err)
	for i, field := range []string{"name", "", "id", "水", ""} {
		if field == "" {
			require.NoError(t, results[i].Err)
			continue
		}
		require.Equal(t, fault.Invalid, fault.CodeOf(results[i].Err), i)
		require.ErrorContains(t, results[i].Err, field+": the text has a character that the file's encoding cannot write")
	}
	require.Equal(t, "id,name\n1,x\n3,z\n2,f\xfcr\n", now)
}

// Somebody removed a column from the file, and then the record lost the field.
func TestAPushOfAFieldWithoutAColumn(t *testing.T) {
	t.Parallel()
	dir := root(t, map[string]string{"f.csv": "id,name\n1,x\n"})
	results, now, err := pushRows(t, dir, "{}", source.Change{
		Op: source.Update, Key: []any{"1"}, Fields: map[string]any{"id": "1", "name": "x"}, Changed: []string{"note"}, Expect: map[string]any{"note": "old"},
	})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.Equal(t, "id,name\n1,x\n", now)
}

// A record's id need not have the form of a key.
func TestAPushOfAKeyOfOtherLength(t *testing.T) {
	t.Parallel()
	dir := root(t, map[string]string{"f.csv": "id,name\n1,x\n"})
	c := second
	c.Key = []any{"2", "3"}
	results, _, err := pushRows(t, dir, "{}", c)
	require.NoError(t, err)
	require.Equal(t, fault.Invalid, fault.CodeOf(results[0].Err))
	c.Key = []any{}
	results, _, err = pushRows(t, dir, "{}", c)
	require.NoError(t, err)
	require.Equal(t, fault.Invalid, fault.CodeOf(results[0].Err))
}

// With trim, a push finds a row by its trimmed key, because that is the key that a pull
// returned.
func TestAPushToAFileWithSpaces(t *testing.T) {
	t.Parallel()
	dir := root(t, map[string]string{"f.csv": "id, name\n 1 , x \n 2 , y \n"})
	results, now, err := pushRows(t, dir, `{"trim": true}`,
		source.Change{Op: source.Update, Key: []any{"1"}, Fields: map[string]any{"id": "1", "name": "z"}, Changed: []string{"name"}, Expect: map[string]any{"name": "x"}},
		source.Change{Op: source.Delete, Key: []any{"2"}, Expect: map[string]any{"id": "2", "name": "y"}})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.NoError(t, results[1].Err)
	rows, _, err := readFile(t, now, `{"trim": true}`, 10)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, "z", rows[0]["name"])
}

// A cell may have any bytes. Two keys of several columns are never one, whatever is in them.
func TestKeysOfSeveralColumns(t *testing.T) {
	t.Parallel()
	dir := root(t, map[string]string{"f.csv": "a,b,name\nx\x00,y,one\nx,\x00y,two\n1:,2,three\n"})
	s, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv", Options: []byte("{}")}, source.Env{Dir: dir})
	require.NoError(t, err)
	update := func(a, b, name string) source.Change {
		return source.Change{Op: source.Update, Key: []any{a, b}, Fields: map[string]any{"name": name}, Changed: []string{"name"}}
	}
	_, err = s.Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"a", "b"}}, []source.Change{update("x\x00", "y", "first"), update("x", "\x00y", "second")})
	require.NoError(t, err)
	content, err := dir.ReadFile("f.csv")
	require.NoError(t, err)
	require.Equal(t, "a,b,name\nx\x00,y,first\nx,\x00y,second\n1:,2,three\n", string(content))
}
