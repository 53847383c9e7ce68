package csvsource

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// A line that is too long is rejected as a whole. No part of it is read as a row.
func TestALineThatIsTooLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRow+bufferSize)
	rows, rejects, err := readFile(t, "a,b\n1,2\n"+long+",3\n4,5\n", "", 10)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Equal(t, "4", rows[1]["a"])
	require.Len(t, rejects, 1)
	require.Equal(t, int64(3), rejects[0].Line)
	require.Contains(t, rejects[0].Reason, "longer than 4 MiB")
	require.Less(t, len(rejects[0].Raw.(string)), 3000)
}

func TestARowOfTooManyValues(t *testing.T) {
	t.Parallel()
	for _, row := range []string{"x" + strings.Repeat(",", maxColumns), `"x"` + strings.Repeat(",", maxColumns)} {
		rows, rejects, err := readFile(t, "a,b\n1,2\n"+row+"\n4,5\n", "", 10)
		require.NoError(t, err)
		require.Len(t, rows, 2)
		require.Len(t, rejects, 1)
		require.Contains(t, rejects[0].Reason, "more than 4096 values")
		_, _, err = readFile(t, row+"\n", "", 10)
		require.ErrorContains(t, err, "more than 4096 values")
	}
}

// A page ends before its rows take too much memory, even if it may have more rows.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	content := "id,v\n" + strings.Repeat("1,"+strings.Repeat("x", 3<<20)+"\n", 25)
	s, err := open(t.Context(), source.Datasource{Type: Name, FileURL: "f.csv"}, source.Env{Dir: root(t, map[string]string{"f.csv": content})})
	require.NoError(t, err)
	r, err := s.Pull(t.Context(), source.Pull{PageSize: 1000})
	require.NoError(t, err)
	defer r.Close()
	for rows := 0; ; {
		page, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			require.Equal(t, 25, rows)
			return
		}
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Rows), 11)
		rows += len(page.Rows)
	}
}

// endless serves a packed file that repeats a text without end.
func endless(t *testing.T, with string) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, "a,b\n")
		for block := []byte(strings.Repeat(with, 1<<20)); r.Context().Err() == nil; {
			if _, err := z.Write(block); err != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

// Reading a packed file without end takes bounded memory and stops when the caller's
// context ends.
func TestAttackPackedFileWithoutEnd(t *testing.T) {
	for name, with := range map[string]string{"one line": "x", "empty lines": "\n", "an open quote": "\"x\n"} { // not in parallel, because memory is measured
		t.Run(name, func(t *testing.T) {
			srv := endless(t, with)
			s, err := open(t.Context(), source.Datasource{Type: Name, FileURL: srv.URL}, source.Env{HTTP: srv.Client()})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				_, _, err := readAll(ctx, s, 100)
				ended <- err
			}()
			select {
			case err := <-ended:
				require.Error(t, err)
			case <-time.After(time.Minute):
				require.FailNow(t, "the pull does not end")
			}
			var now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&now)
			require.Less(t, now.HeapAlloc, uint64(100<<20))
		})
	}
}
