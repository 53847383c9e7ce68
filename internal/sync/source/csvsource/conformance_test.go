package csvsource_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/csvsource"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

// place is a file in a directory of its own.
type place struct{ dir *os.Root }

const fileName = "rows.csv"

func newPlace(t testing.TB) sourcetest.Place {
	dir, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.Close()) })
	p := place{dir}
	p.write(t, nil)
	return p
}

func (p place) Open(t testing.TB) source.Source {
	d := source.Datasource{Type: "csv", FileURL: fileName}
	require.Empty(t, csvsource.Kind().Check(d))
	s, err := csvsource.Kind().Open(t.Context(), d, source.Env{Dir: p.dir, Now: time.Now})
	require.NoError(t, err)
	return s
}

func (p place) Spec() source.Spec { return source.Spec{Datatype: "row", Key: []string{"id"}} }

func (p place) Put(t testing.TB, rows ...sourcetest.Record) {
	all := p.Rows(t)
	for _, r := range rows {
		all[r.ID] = r
	}
	p.write(t, all)
}

func (p place) Remove(t testing.TB, ids ...string) {
	all := p.Rows(t)
	for _, id := range ids {
		delete(all, id)
	}
	p.write(t, all)
}

func (p place) write(t testing.TB, rows map[string]sourcetest.Record) {
	f, err := p.dir.Create("temp")
	require.NoError(t, err)
	w := csv.NewWriter(f)
	require.NoError(t, w.Write(sourcetest.Columns))
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		r := rows[id]
		require.NoError(t, w.Write([]string{
			r.ID, r.Name, strconv.FormatFloat(r.Value, 'g', -1, 64), r.UpdatedAt.Format(time.RFC3339), strconv.FormatBool(r.Deleted),
		}))
	}
	w.Flush()
	require.NoError(t, errors.Join(w.Error(), f.Close()))
	require.NoError(t, p.dir.Rename("temp", fileName))
}

// Rows reads the file with the source itself, because encoding/csv turns CRLF within a
// value into LF.
func (p place) Rows(t testing.TB) map[string]sourcetest.Record {
	all := map[string]sourcetest.Record{}
	if _, err := p.dir.Stat(fileName); errors.Is(err, fs.ErrNotExist) {
		return all
	}
	r, err := p.Open(t).Pull(context.Background(), source.Pull{PageSize: 1000})
	require.NoError(t, err)
	defer r.Close()
	for {
		page, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		for _, row := range page.Rows {
			r, err := sourcetest.ReadRow(row)
			require.NoError(t, err)
			all[r.ID] = r
		}
	}
}

func (p place) PutBad(t testing.TB) {
	f, err := p.dir.OpenFile(fileName, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = fmt.Fprintln(f, "too,few")
	require.NoError(t, errors.Join(err, f.Close()))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, sourcetest.Harness{
		New: newPlace, Push: true, Conditional: true, PartialUpdate: true, Snapshot: true, AnyDatatype: true,
	})
}
