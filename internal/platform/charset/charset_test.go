package charset_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/transform"

	"github.com/headgate/headgate/internal/platform/charset"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"", "José", "José"},
		{"UTF-8", "a�b", "a�b"},
		{"latin1", "Jos\xe9", "José"},
		{"iso-8859-1", "\x80", "\u0080"},
		{"Windows-1252", "\x80", "€"},
		{"windows-1251", "\xcc\xee", "Мо"},
		{"shift_jis", "\x90\x85", "水"},
		{"utf-16", "J\x00\xe9\x00", "Jé"},
		{"utf-16be", "\x00J\xff\xfd", "J\ufffd"},
		{"utf-16le", "=\xd8\x00\xde", "😀"},
	} {
		e, ok := charset.Named(c.name)
		require.True(t, ok, c.name)
		got, err := e.Decode([]byte(c.text))
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, string(got), c.name)
	}
	_, ok := charset.Named("ebcdic-latin-9")
	require.False(t, ok)
}

func TestMarks(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\ufeffé", "\xff\xfe\xe9\x00", "\xfe\xff\x00\xe9"} {
		e, ok := charset.Marked([]byte(text))
		require.True(t, ok)
		got, err := e.Decode([]byte(text))
		require.NoError(t, err)
		require.Equal(t, "é", string(got))
	}
	_, ok := charset.Marked([]byte("é"))
	require.False(t, ok)
}

// Bytes that stand for no character are refused, and are not UTF-8 in a stream. The text
// around them is decoded.
func TestBytesOfNoCharacter(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"utf-8":        "a\xffb",
		"windows-1252": "a\x81b",
		"utf-16le":     "a\x00\x3d\xd8b\x00", // half a surrogate pair
		"utf-16be":     "\x00a\xff\xfd\xdc\x00\x00b",
		"shift_jis":    "a\xffb",
	} {
		e, ok := charset.Named(name)
		require.True(t, ok, name)
		_, err := e.Decode([]byte(text))
		require.Error(t, err, name)
		if e.Decoder() == nil {
			continue
		}
		got, err := io.ReadAll(transform.NewReader(iotest.OneByteReader(strings.NewReader(text)), e.Decoder()))
		require.NoError(t, err, name)
		require.False(t, utf8.Valid(got), name)
		require.True(t, strings.HasPrefix(string(got), "a") && strings.HasSuffix(string(got), "b"), "%s: %q", name, got)
	}
}

func TestOfType(t *testing.T) {
	t.Parallel()
	for mediaType, want := range map[string]string{
		"application/json; charset=ISO-8859-1": "é\u00a0", "application/json;charset=\"utf-8\"": "", "text/csv": "", "": "", "x; ; y": "",
	} {
		e, ok := charset.OfType(mediaType)
		require.True(t, ok, mediaType)
		got, err := e.Decode([]byte("\xe9\xa0"))
		require.Equal(t, want, string(got), mediaType)
		require.Equal(t, want == "", err != nil, mediaType)
	}
	_, ok := charset.OfType("text/csv; charset=klingon")
	require.False(t, ok)
}
