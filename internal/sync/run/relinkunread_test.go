package run_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

// keyedByName returns a world with the rows 1 and 2, whose key changed to their names.
func keyedByName(t *testing.T) *world {
	w := newWorld(t, nil)
	w.source.put("1", map[string]any{"name": "one", "value": 1})
	w.source.put("2", map[string]any{"name": "two", "value": 2})
	w.finished(syncrun.Start{})
	w.wait(time.Hour)
	w.redefined(false, func(s *definition.Sync) { s.Mapping["item"].Key = []string{"name"} })
	return w
}

// A record whose row has no new key is not taken from its row: a push would make a second one.
func TestRelinkRefusesRowsWithoutTheNewKey(t *testing.T) {
	t.Parallel()
	w := keyedByName(t)
	w.source.put("2", map[string]any{"name": nil, "value": 2})
	before := w.everything()
	for _, confirmed := range []bool{false, true} {
		_, err := w.svc.Relink(t.Context(), "s", confirmed)
		require.Equal(t, fault.Conflict, fault.CodeOf(err))
		require.ErrorContains(t, err, `the rows of some records have no new key in the columns ["name"] (1, such as that of "2")`)
	}
	require.Equal(t, before, w.everything())
	w.source.put("2", map[string]any{"name": "two", "value": 2})
	w.source.put("3", map[string]any{"name": nil}) // it never had a record
	done, err := w.svc.Relink(t.Context(), "s", true)
	require.NoError(t, err)
	require.Equal(t, []int{2, 2, 1, 0}, []int{done.Datatypes["item"].Rows, done.Datatypes["item"].Linked, done.Datatypes["item"].Rejected, done.Datatypes["item"].Unlinked})
}

// A record keeps a row that is rejected for another field than its key.
func TestRelinkedRecordsKeepRejectedRows(t *testing.T) {
	t.Parallel()
	w := keyedByName(t)
	w.source.put("2", map[string]any{"name": "two", "value": "much"})
	w.source.put("3", map[string]any{"name": "three", "value": "many"})
	done, err := w.svc.Relink(t.Context(), "s", true)
	require.NoError(t, err)
	item := done.Datatypes["item"]
	require.Equal(t, []int{1, 2, 2, 0, 0}, []int{item.Rows, item.Linked, item.Rejected, item.Without, item.Unlinked})
	w.wait(time.Hour)
	w.source.put("2", map[string]any{"name": "two", "value": 22})
	w.source.remove("3")
	w.wait(time.Hour)
	run := w.finished(syncrun.Start{})
	require.Equal(t, []int64{0, 1}, []int64{run.Counts.Created, run.Counts.Updated})
	require.Len(t, w.source.live(), 2)
	require.Len(t, w.records(), 2)
}

// wrapped returns the kind with other readers.
func wrapped(kind source.Kind, wrap func(source.Reader) source.Reader) source.Kind {
	open := kind.Open
	kind.Open = func(ctx context.Context, d source.Datasource, env source.Env) (source.Source, error) {
		s, err := open(ctx, d, env)
		return wrappedSource{s, wrap}, err
	}
	return kind
}

type wrappedSource struct {
	source.Source
	wrap func(source.Reader) source.Reader
}

func (s wrappedSource) Pull(ctx context.Context, p source.Pull) (source.Reader, error) {
	r, err := s.Source.Pull(ctx, p)
	return s.wrap(r), err
}

// blindReader rejects another row: without its values, as a file does whose line has too
// many, or with them, as a database does whose key is NULL.
type blindReader struct {
	source.Reader
	raw any
}

func (b blindReader) Next(ctx context.Context) (source.Page, error) {
	page, err := b.Reader.Next(ctx)
	if err == nil {
		page.Rejects = append(page.Rejects, source.Reject{Line: 7, Reason: "the row has 9 values", Raw: b.raw})
	}
	return page, err
}

// A row of which nothing can be read may be that of a record whose row is not found.
func TestRelinkRefusesRecordsWhoseRowMayBeUnread(t *testing.T) {
	t.Parallel()
	w := keyedByName(t)
	var raw any
	w.kinds = source.NewRegistry(wrapped(w.source.kind(), func(r source.Reader) source.Reader { return blindReader{r, raw} }))
	svc := w.service()
	_, err := svc.Relink(t.Context(), "s", false)
	require.NoError(t, err, "every record has its row")
	w.source.forget("2")
	before := w.everything()
	_, err = svc.Relink(t.Context(), "s", true)
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.ErrorContains(t, err, `a row that cannot be read (line 7: the row has 9 values) may be that of a record without a row, such as "2"`)
	require.Equal(t, before, w.everything())
	raw = map[string]any{"id": "2", "name": nil}
	_, err = svc.Relink(t.Context(), "s", true)
	require.ErrorContains(t, err, `no new key in the columns ["name"] (1, such as that of "2")`)
	raw = map[string]any{"id": "9", "name": nil}
	done, err := svc.Relink(t.Context(), "s", true)
	require.NoError(t, err, "the row is no record's")
	require.Equal(t, []string{"2"}, done.Datatypes["item"].UnlinkedExamples)
}
