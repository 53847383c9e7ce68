package csvsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// Rows and their lines do not depend on how lines end, nor on where a buffer ends.
func TestLineEnds(t *testing.T) {
	t.Parallel()
	const text = "a,b⏎1,x⏎⏎2,\"y⏎z\"⏎3,\"w\"⏎4,v"
	for name, ends := range map[string][]string{
		"LF": {"\n"}, "CRLF": {"\r\n"}, "CR": {"\r"}, "CR, then LF": {"\r", "\n"}, "CRLF, then CR": {"\r\n", "\r", "\r"}, "LF, then CR": {"\n", "\n", "\r"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, last := range []bool{false, true} {
				var b strings.Builder
				parts := strings.Split(text, "⏎")
				for i, part := range parts {
					b.WriteString(part)
					if i < len(parts)-1 || last {
						b.WriteString(ends[i%len(ends)])
					}
				}
				for size := 1; size < b.Len()+2; size++ {
					s := newScanner(t.Context(), strings.NewReader(b.String()))
					s.buf = make([]byte, size)
					var got []string
					for {
						row, err := s.row()
						if errors.Is(err, io.EOF) {
							break
						}
						require.NoError(t, err)
						require.Empty(t, row.bad)
						got = append(got, fmt.Sprintf("%d:%q", row.line, row.values))
					}
					inside := ends[3%len(ends)]
					require.Equal(t, []string{`1:["a" "b"]`, `2:["1" "x"]`, fmt.Sprintf(`4:["2" %q]`, "y"+inside+"z"), `6:["3" "w"]`, `7:["4" "v"]`}, got)
				}
			}
		})
	}
}

// A long line that is given up ends where it ends, and not one line later.
func TestAfterALineThatIsTooLong(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n", "\r\n", "\r"} {
		s := newScanner(t.Context(), io.MultiReader( // a part that was read ends within the line end
			strings.NewReader("1,"+strings.Repeat("x", maxRow+1)+end[:1]), strings.NewReader(end[1:]+"2,y"+end)))
		row, err := s.row()
		require.NoError(t, err)
		require.Contains(t, row.bad, "longer than")
		row, err = s.row()
		require.NoError(t, err)
		require.Equal(t, []string{"2", "y"}, row.values)
		require.Equal(t, int64(2), row.line)
	}
}

// A file of lines that end with CR is read in one go. The search for a LF must not go to the
// end of what was read once for each line.
func TestTheSearchForLineEndsIsLinear(t *testing.T) {
	t.Parallel()
	s := newScanner(t.Context(), strings.NewReader(strings.Repeat("1,x\r", 1000)))
	for range 1000 {
		_, err := s.row()
		require.NoError(t, err)
		require.Equal(t, byte('\r'), s.ends)
	}
}

// A byte order mark wins over the option encoding, and is no part of the first heading.
func TestMarksWin(t *testing.T) {
	t.Parallel()
	const text = "id,name\n1,für\n"
	for mark, content := range map[string]string{
		"UTF-8":     "\ufeff" + text,
		"UTF-16 LE": utf16(t, unicode.LittleEndian, text),
		"UTF-16 BE": utf16(t, unicode.BigEndian, text),
	} {
		for _, encoding := range []string{"", "utf-8", "UTF-16", "utf-16le", "utf-16be", "latin-1", "windows-1252"} {
			t.Run(mark+" "+encoding, func(t *testing.T) {
				t.Parallel()
				opts := fmt.Sprintf(`{"encoding": %q}`, encoding)
				for _, content := range []string{content, gz(content)} {
					rows, rejects, err := readFile(t, content, opts, 10)
					require.NoError(t, err)
					require.Empty(t, rejects)
					require.Equal(t, []map[string]any{{"id": "1", "name": "für", "#": int64(2)}}, rows)
				}
				_, now, err := pushRows(t, root(t, map[string]string{"f.csv": content}), opts, second)
				require.NoError(t, err)
				require.True(t, bytes.HasPrefix([]byte(now), []byte(content[:2])), "the push keeps the mark")
				rows, _, err := readFile(t, now, opts, 10)
				require.NoError(t, err)
				require.Len(t, rows, 2)
			})
		}
	}
}

// Bytes that stand for no character reject their row. They are not replaced silently.
func TestBytesOfNoCharacter(t *testing.T) {
	t.Parallel()
	for encoding, content := range map[string]string{
		"windows-1252": "id,name\n1,\x80\n2,\x81\n3,x\n",
		"utf-16":       strings.Replace(utf16(t, unicode.LittleEndian, "id,name\n1,€\n2,?\n3,x\n"), "?\x00", "\x3d\xd8", 1), // half a surrogate pair
		"utf-8":        "id,name\n1,€\n2,\x81\n3,x\n",
	} {
		rows, rejects, err := readFile(t, content, fmt.Sprintf(`{"encoding": %q}`, encoding), 10)
		require.NoError(t, err)
		require.Len(t, rows, 2, encoding)
		require.Equal(t, "€", rows[0]["name"])
		require.Len(t, rejects, 1)
		require.Equal(t, int64(3), rejects[0].Line)
		require.Contains(t, rejects[0].Reason, "no character of the file's encoding")
	}
}

// An HTTP server may name the encoding. The definition and a byte order mark win over it.
func TestTheCharsetOfAServer(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/csv; charset="+r.URL.Query().Get("charset"))
		_, _ = io.WriteString(w, r.URL.Query().Get("text"))
	}))
	defer srv.Close()
	for _, c := range []struct{ charset, text, opts string }{
		{"ISO-8859-1", "id,name\n1,\xe9\n", "{}"},
		{"windows-1251", "id,name\n1,\xe9\n", `{"encoding": "latin-1"}`},
		{"ISO-8859-1", "\ufeffid,name\n1,é\n", "{}"},
		{"klingon", "id,name\n1,é\n", "{}"},
	} {
		target := srv.URL + "?" + url.Values{"charset": {c.charset}, "text": {c.text}}.Encode()
		s, err := open(t.Context(), source.Datasource{FileURL: target, Options: []byte(c.opts)}, source.Env{HTTP: srv.Client()})
		require.NoError(t, err)
		rows, rejects, err := readAll(t.Context(), s, 10)
		require.NoError(t, err)
		require.Empty(t, rejects)
		require.Equal(t, "é", rows[0]["name"], c.charset)
	}
}

// A file that has none of the mapped columns, or no text at all, must not look like one from
// which all rows were removed.
func TestAFileThatIsAnother(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content, options string
		mapped, known    []string
		want             string
	}{
		"none of the columns": {"id,b\n", "{}", []string{"name", "owner.name"}, nil, `there is none of the columns that the mapping of row reads: they are ["name" "owner.name"], and the source has ["id" "b"]`},
		"no key":              {"a,b\n", "{}", []string{"a"}, nil, `no column "id"`},
		"empty":               {"", `{"columns": ["id", "name"]}`, []string{"name"}, nil, "the file is empty"},
		"only a mark":         {"\ufeff\r\n", `{"columns": ["id", "name"]}`, []string{"name"}, nil, "the file is empty"},
		"one of the columns":  {"id,owner\n", "{}", []string{"name", "owner.name"}, []string{"owner.name", "unmapped"}, ""},
		"a known column":      {"id,owner\n", "{}", []string{"name", "owner.name"}, []string{"name"}, `the column "name", which the mapping of row reads, is gone`},
		"no mapping":          {"id,b\n", "{}", nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := open(t.Context(), source.Datasource{FileURL: "f.csv", Options: []byte(c.options)}, source.Env{Dir: root(t, map[string]string{"f.csv": c.content})})
			require.NoError(t, err)
			_, err = s.Pull(t.Context(), source.Pull{PageSize: 1, Spec: source.Spec{Datatype: "row", Key: []string{"id"}, Mapped: c.mapped, Known: c.known}})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
}
