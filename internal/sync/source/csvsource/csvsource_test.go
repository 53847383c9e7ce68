package csvsource

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

func root(t testing.TB, files map[string]string) *os.Root {
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	r, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// readFile pulls a whole file.
func readFile(t testing.TB, content, opts string, size int) (rows []map[string]any, rejects []source.Reject, err error) {
	env := source.Env{Dir: root(t, map[string]string{"f.csv": content})}
	s, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv", Options: []byte(opts)}, env)
	require.NoError(t, err)
	return readAll(t.Context(), s, size)
}

func readAll(ctx context.Context, s source.Source, size int) (rows []map[string]any, rejects []source.Reject, err error) {
	r, err := s.Pull(ctx, source.Pull{PageSize: size})
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		page, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, rejects, nil
		}
		if err != nil {
			return nil, nil, err
		}
		for _, row := range page.Rows {
			m := row.Map()
			m["#"] = row.Line
			rows = append(rows, m)
		}
		rejects = append(rejects, page.Rejects...)
	}
}

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

func utf16(t testing.TB, order unicode.Endianness, s string) string {
	out, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(s)
	require.NoError(t, err)
	return out
}

func TestForms(t *testing.T) {
	t.Parallel()
	plain := "a,b\n1,x\n2,y\n"
	for name, c := range map[string]struct {
		content, options string
		want             []string
	}{
		"plain":             {plain, "", []string{"2:1,x", "3:2,y"}},
		"no last newline":   {"a,b\n1,x\n2,y", "", []string{"2:1,x", "3:2,y"}},
		"CRLF":              {"a,b\r\n1,x\r\n2,y\r\n", "", []string{"2:1,x", "3:2,y"}},
		"UTF-8 mark":        {"\ufeff" + plain, "", []string{"2:1,x", "3:2,y"}},
		"UTF-16 LE":         {utf16(t, unicode.LittleEndian, plain), "", []string{"2:1,x", "3:2,y"}},
		"UTF-16 BE":         {utf16(t, unicode.BigEndian, plain), "", []string{"2:1,x", "3:2,y"}},
		"gzip":              {gz(plain), "", []string{"2:1,x", "3:2,y"}},
		"semicolons":        {"a;b\n1;x,y\n", "", []string{"2:1,x,y"}},
		"tabs":              {"a\tb\n1\tx\n", "", []string{"2:1,x"}},
		"bars":              {"a|b\n1|x\n", "", []string{"2:1,x"}},
		"given delimiter":   {"a:b\n1:x\n", `{"delimiter":":"}`, []string{"2:1,x"}},
		"latin-1":           {"a,b\n1,\xe9\n", `{"encoding":"latin-1"}`, []string{"2:1,é"}},
		"windows-1252":      {"a,b\n1,\x80\n", `{"encoding":"windows-1252"}`, []string{"2:1,€"}},
		"quoted":            {"a,b\n1,\"x,y\"\n", "", []string{"2:1,x,y"}},
		"doubled quotes":    {"a,b\n1,\"x\"\"y\"\n", "", []string{`2:1,x"y`}},
		"quoted newline":    {"a,b\n1,\"x\ny\"\n2,z\n", "", []string{"2:1,x\ny", "4:2,z"}},
		"quote in the text": {"a,b\n1,x\"y\n", "", []string{`2:1,x"y`}},
		"empty values":      {"a,b\n,\"\"\n", "", []string{"2:,"}},
		"empty lines":       {"a,b\n\n1,x\n\r\n2,y\n", "", []string{"3:1,x", "5:2,y"}},
		"no headings":       {"1,x\n", `{"includesHeadings":false,"columns":["a","b"]}`, []string{"1:1,x"}},
		"renamed":           {"A,B\n1,x\n", `{"headers":{"A":"a","B":"b"}}`, []string{"2:1,x"}},
		"trimmed":           {"a,b\n 1 , x\n", `{"trim":true}`, []string{"2:1,x"}},
		"untrimmed":         {"a,b\n 1 , x\n", "", []string{"2: 1 , x"}},
		"only headings":     {"a,b\n", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, rejects, err := readFile(t, c.content, c.options, 1)
			require.NoError(t, err)
			require.Empty(t, rejects)
			var got []string
			for _, r := range rows {
				got = append(got, fmt.Sprintf("%d:%s,%s", r["#"], r["a"], r["b"]))
			}
			require.Equal(t, c.want, got)
		})
	}
}

// Each bad row is rejected with its line. The rows around it are read.
func TestBadRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, reason string }{
		"too few":            {"a,b\n1,x\n2\n3,z\n", "the row has 1 values, and there are 2 columns"},
		"too many":           {"a,b\n1,x\n2,y,w\n3,z\n", "the row has 3 values"},
		"not UTF-8":          {"a,b\n1,x\n2,\xff\n3,z\n", "set options.encoding"},
		"after the quote":    {"a,b\n1,x\n2,\"y\"w\n3,z\n", "something follows the closing quote"},
		"quote never closed": {"a,b\n1,x\n2,\"y\n3,z\n", "never closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, rejects, err := readFile(t, c.content, "", 10)
			require.NoError(t, err)
			require.Len(t, rows, 2)
			require.Equal(t, "3", rows[1]["a"])
			require.Len(t, rejects, 1)
			require.Equal(t, int64(3), rejects[0].Line)
			require.Contains(t, rejects[0].Reason, c.reason)
		})
	}
}

func TestBadHeadings(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":             "the file is empty",
		"a,a\n":        `the heading "a" is there twice`,
		"a,,b\n":       "heading 2 is empty",
		"a,\"b\n1,2\n": "never closed",
	} {
		_, _, err := readFile(t, content, "", 10)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), content)
		require.ErrorContains(t, err, want)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	var got []string
	for _, f := range check(source.Datasource{
		FileURL: "../x.csv", URL: "x", FileFormat: "xls",
		Options: []byte(`{"delimiter":"ab","encoding":"ebcdic","includesHeadings":false,"what":1,"trim":"yes"}`),
	}) {
		got = append(got, f.Path)
	}
	require.ElementsMatch(t, []string{
		"options.what", "options.trim", "fileUrl", "url", "fileFormat", "options.delimiter", "options.encoding", "options.columns",
	}, got)
}

func TestFilesCannotLeaveTheDirectory(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret.csv")
	require.NoError(t, os.WriteFile(secret, []byte("a\n1\n"), 0o600))
	dir := t.TempDir()
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "link.csv")))
	r, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer r.Close()
	for _, path := range []string{"../secret.csv", secret, "/etc/passwd", "a/../../x"} {
		require.NotEmpty(t, check(source.Datasource{FileURL: path}), path)
	}
	s, err := open(t.Context(), source.Datasource{FileURL: "link.csv"}, source.Env{Dir: r})
	require.NoError(t, err)
	_, err = s.Pull(t.Context(), source.Pull{PageSize: 1})
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.NotContains(t, err.(*fault.Error).Message, secret)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/f.csv" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, gz("a,b\n1,x\n"))
	}))
	defer srv.Close()
	env := source.Env{HTTP: srv.Client()}
	s, err := open(t.Context(), source.Datasource{FileURL: srv.URL + "/f.csv?token=s3cret"}, env)
	require.NoError(t, err)
	rows, _, err := readAll(t.Context(), s, 10)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	_, err = s.Push(t.Context(), source.Spec{Key: []string{"a"}}, nil)
	require.ErrorIs(t, err, source.ErrReadOnly)

	s, err = open(t.Context(), source.Datasource{FileURL: srv.URL + "/no.csv?token=s3cret"}, env)
	require.NoError(t, err)
	_, _, err = readAll(t.Context(), s, 10)
	require.ErrorContains(t, err, "404")
	require.NotContains(t, err.Error(), "s3cret")

	srv.Close()
	_, _, err = readAll(t.Context(), s, 10)
	require.ErrorContains(t, err, "could not be fetched")
	require.NotContains(t, err.Error(), "s3cret")
}

// The source agrees with csv-spectrum, an independent collection of cases on npm. The test
// runs only if the collection was downloaded.
func TestSpectrum(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("HEADGATE_CSV_SPECTRUM")
	if dir == "" {
		t.Skip("HEADGATE_CSV_SPECTRUM is not set: scripts/csv-spectrum fetches the cases")
	}
	files, err := filepath.Glob(filepath.Join(dir, "csvs", "*.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		if filepath.Base(name) == "location_coordinates.csv" {
			continue // the JSON and the CSV of this case have different numbers
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			rows, rejects, err := readFile(t, string(content), "", 10)
			require.NoError(t, err)
			require.Empty(t, rejects)
			want, err := os.ReadFile(filepath.Join(dir, "json", strings.TrimSuffix(filepath.Base(name), ".csv")+".json"))
			require.NoError(t, err)
			for _, r := range rows {
				delete(r, "#")
			}
			requireJSON(t, want, rows)
		})
	}
}

// Rows that encoding/csv wrote are read unchanged, in pages of any size and when resumed
// after any page.
func FuzzScanner(f *testing.F) {
	f.Add("a", "b,\"c\"\n", "x\r\ny", uint8(1))
	f.Add("", "é", "\t;|", uint8(3))
	f.Fuzz(func(t *testing.T, a, b, c string, size uint8) {
		var buf bytes.Buffer
		w := csv.NewWriter(&buf)
		rows := [][]string{{a, b, "1"}, {c, a, "2"}, {b, c, "3"}}
		require.NoError(t, w.Write([]string{"x", "y", "z"}))
		require.NoError(t, w.WriteAll(rows))
		want, err := csv.NewReader(bytes.NewReader(buf.Bytes())).ReadAll()
		if err != nil || !strings.Contains(buf.String(), "x,y,z\n") {
			t.Skip()
		}
		if strings.ToValidUTF8(buf.String(), "") != buf.String() {
			t.Skip() // such rows are rejects, see TestBadRows
		}
		s := newScanner(context.Background(), bytes.NewReader(buf.Bytes()))
		s.buf = make([]byte, int(size)+1)
		for _, row := range want {
			got, err := s.row()
			require.NoError(t, err)
			require.Empty(t, got.bad)
			for i := range row { // encoding/csv turns a quoted CRLF into LF
				require.Equal(t, row[i], strings.ReplaceAll(got.values[i], "\r\n", "\n"))
			}
			resumed := newScanner(context.Background(), bytes.NewReader(buf.Bytes()))
			require.NoError(t, resumed.skipTo(s.offset(), s.line))
			require.Equal(t, s.offset(), resumed.offset())
		}
		_, err = s.row()
		require.ErrorIs(t, err, io.EOF)
	})
}

// Any file is read to its end without a panic or an endless loop.
func FuzzAnyFile(f *testing.F) {
	f.Add([]byte("a,b\n1,\"2\n\"\"3,4"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newScanner(context.Background(), bytes.NewReader(data))
		s.buf = make([]byte, 16)
		for n := 0; ; n++ {
			_, err := s.row()
			if errors.Is(err, io.EOF) {
				require.Equal(t, int64(len(data)), s.offset())
				return
			}
			require.NoError(t, err)
			require.LessOrEqual(t, n, len(data))
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	var text bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&text, "%d,name %d,2026-01-02T03:04:05Z,%d.5,some note\n", i, i, i)
	}
	b.Run("this", func(b *testing.B) {
		b.SetBytes(int64(text.Len()))
		for b.Loop() {
			s := newScanner(context.Background(), bytes.NewReader(text.Bytes()))
			for {
				if _, err := s.row(); err != nil {
					break
				}
			}
		}
	})
	b.Run("encoding/csv", func(b *testing.B) {
		b.SetBytes(int64(text.Len()))
		for b.Loop() {
			r := csv.NewReader(bytes.NewReader(text.Bytes()))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err != nil {
					break
				}
			}
		}
	})
}

func requireJSON(t *testing.T, want []byte, got any) {
	t.Helper()
	b, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(b))
}
