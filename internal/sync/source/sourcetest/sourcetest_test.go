package sourcetest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

// TestMemory runs the suite on the simplest possible source. It shows that the suite
// demands nothing beyond the contract.
func TestMemory(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, sourcetest.Harness{
		New:    func(testing.TB) sourcetest.Place { return &memory{rows: map[string]sourcetest.Record{}} },
		Cursor: true, SoftDelete: true, Push: true, Conditional: true, PartialUpdate: true, NUL: true,
	})
}

// memory is a place, and converts to the sources that are opened on it.
type memory struct {
	mu   sync.Mutex
	rows map[string]sourcetest.Record
}

func (m *memory) Open(testing.TB) source.Source { return (*memorySource)(m) }

func (m *memory) Spec() source.Spec {
	return source.Spec{Datatype: "reading", Key: []string{"id"}, CursorTime: "updated_at", Deleted: "deleted", DeletedEquals: true}
}

func (m *memory) Put(_ testing.TB, rows ...sourcetest.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rows {
		m.rows[r.ID] = r
	}
}

func (m *memory) Remove(_ testing.TB, ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.rows, id)
	}
}

func (m *memory) Rows(testing.TB) map[string]sourcetest.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.rows)
}

type memorySource memory

// mark is the position of a pull: after the row with the time and the id.
type mark struct {
	Time  time.Time
	ID    string
	Clock time.Time
	Last  source.Cursor
}

type memoryReader struct {
	*memorySource
	p    source.Pull
	mark mark
}

func (s *memorySource) Pull(_ context.Context, p source.Pull) (source.Reader, error) {
	if p.Datatype != "reading" {
		return nil, fault.New(fault.NotFound, "there is no %s", p.Datatype)
	}
	r := &memoryReader{memorySource: s, p: p, mark: mark{Clock: time.Now(), Last: p.Cursor}}
	if !p.Cursor.Time.IsZero() {
		r.mark.Time = p.Cursor.Time.Add(-p.Overlap)
	}
	if p.Resume != nil {
		return r, json.Unmarshal(p.Resume, &r.mark)
	}
	return r, nil
}

func (r *memoryReader) Next(ctx context.Context) (source.Page, error) {
	if err := ctx.Err(); err != nil {
		return source.Page{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	after := func(a, b sourcetest.Record) int {
		return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), cmp.Compare(a.ID, b.ID))
	}
	var page source.Page
	columns := source.NewColumns(sourcetest.Columns)
	for _, rec := range slices.SortedFunc(maps.Values(r.rows), after) {
		if after(rec, sourcetest.Record{UpdatedAt: r.mark.Time, ID: r.mark.ID}) <= 0 {
			continue
		}
		if len(page.Rows) == r.p.PageSize {
			break
		}
		page.Rows = append(page.Rows, source.Row{Columns: columns, Values: []any{rec.ID, rec.Name, rec.Value, rec.UpdatedAt, rec.Deleted}})
		r.mark.Time, r.mark.ID = rec.UpdatedAt, rec.ID
		if at := earlier(rec.UpdatedAt, r.mark.Clock.Add(-r.p.Margin)); at.After(r.mark.Last.Time) {
			r.mark.Last = source.Cursor{Time: at}
		}
	}
	if len(page.Rows) == 0 {
		return page, io.EOF
	}
	resume, err := json.Marshal(r.mark)
	page.Resume, page.Cursor = resume, r.mark.Last
	return page, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (r *memoryReader) Close() error { return nil }

func (s *memorySource) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	if err := errors.Join(ctx.Err(), fence.Allow(ctx)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([]source.Result, len(changes))
	for i, c := range changes {
		id := fmt.Sprint(c.Key[0])
		rec, ok := s.rows[id]
		have := map[string]any{"id": rec.ID, "name": rec.Name, "value": rec.Value, "updated_at": rec.UpdatedAt, "deleted": rec.Deleted}
		same := func(want map[string]any) bool {
			for name, v := range want {
				if !reflect.DeepEqual(have[name], v) && !spec.Means(name, have[name], v) {
					return false
				}
			}
			return true
		}
		target := map[string]any{}
		for _, name := range c.Changed {
			target[name] = c.Fields[name]
		}
		switch {
		case c.Op == source.Delete && ok && same(c.Expect):
			rec.Deleted = true
			s.rows[id] = rec
		case c.Op == source.Delete && (!ok || rec.Deleted):
		case c.Op == source.Create && ok && !rec.Deleted && !same(c.Fields):
			results[i].Err = source.ErrExists
		case c.Op == source.Create:
			set(&rec, c.Fields)
			s.rows[id] = rec
		case c.Op == source.Update && ok && (same(c.Expect) || same(target)):
			set(&rec, target)
			s.rows[id] = rec
		default:
			results[i].Err = source.ErrMoved
		}
	}
	return results, nil
}

func set(rec *sourcetest.Record, fields map[string]any) {
	for name, v := range fields {
		switch name {
		case "id":
			rec.ID = v.(string)
		case "name":
			rec.Name = v.(string)
		case "value":
			rec.Value = v.(float64)
		case "updated_at":
			rec.UpdatedAt = v.(time.Time)
		case "deleted":
			rec.Deleted = v.(bool)
		}
	}
}

func (s *memorySource) PushSize() int { return 7 }
func (s *memorySource) Close() error  { return nil }
