package run_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/sync/source"
)

// memory is a data source in memory: a table with the key id, the columns of the rows,
// updated_at and deleted. It follows the contract, and can be made to fail as real sources
// do.
type memory struct {
	mu   sync.Mutex
	rows map[string]map[string]any
	now  func() time.Time
	// chooses says that the source gives new rows their keys.
	chooses bool
	next    int
	sent    map[string]string // attempt → key

	pulls, pushes int
	rowsRead      int
	beforePage    func(n int) error // called before each page
	beforePush    func() error
	afterPush     func() error // an error means that the answer is lost
	// partly says for each change of a push whether it is written and answered. The first
	// change without an answer ends the push. nil: all changes are written and answered.
	partly     func(i int) (written, answered bool)
	duringPush func(changes []source.Change) // called before the answer
	pageSize   int
	snapshot   bool
	blind      bool // it ignores Expect and writes everything
	silent     bool // a push leaves updated_at as it is
	// stores returns the value that the source stores for a pushed value; nil: the same.
	stores func(v any) any
	// folds says that keys are compared without regard to case and stored in lower case.
	folds bool
}

func newMemory(now func() time.Time) *memory {
	return &memory{rows: map[string]map[string]any{}, now: now, sent: map[string]string{}}
}

func (m *memory) kind() source.Kind {
	return source.Kind{
		Name:  "memory",
		Check: func(source.Datasource) []fault.Detail { return nil },
		Open:  func(context.Context, source.Datasource, source.Env) (source.Source, error) { return m, nil },
	}
}

// put writes a row, as people at the source do.
func (m *memory) put(id string, fields map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(id, fields)
}

func (m *memory) set(id string, fields map[string]any) {
	row := m.rows[id]
	if row == nil {
		row = map[string]any{"id": id}
		m.rows[id] = row
	}
	for k, v := range fields {
		if n, ok := v.(int); ok {
			v = int64(n)
		}
		row[k] = v
	}
	row["deleted"] = false
	if d, ok := fields["deleted"]; ok {
		row["deleted"] = d
	}
	row["updated_at"] = m.now().UTC().Format(time.RFC3339Nano)
}

func (m *memory) remove(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.snapshot {
		delete(m.rows, id)
	} else if m.rows[id] != nil {
		m.set(id, map[string]any{"deleted": true})
	}
}

// live returns the rows that are not deleted, without updated_at and deleted.
func (m *memory) live() map[string]map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]map[string]any{}
	for id, row := range m.rows {
		if row["deleted"] == true {
			continue
		}
		r := maps.Clone(row)
		delete(r, "deleted")
		delete(r, "updated_at")
		maps.DeleteFunc(r, func(_ string, v any) bool { return v == nil })
		out[id] = r
	}
	return out
}

func (m *memory) ChoosesKeys(string) bool { return m.chooses }
func (m *memory) PushSize() int           { return 7 }
func (m *memory) Close() error            { return nil }

type memoryResume struct {
	Time string `json:"t"`
	ID   string `json:"id"`
}

type memoryReader struct {
	m      *memory
	p      source.Pull
	at     memoryResume
	cursor source.Cursor
	pages  int
}

func (m *memory) Pull(_ context.Context, p source.Pull) (source.Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pulls++
	r := &memoryReader{m: m, p: p, cursor: p.Cursor}
	switch {
	case p.Resume != nil:
		if err := json.Unmarshal(p.Resume, &r.at); err != nil {
			return nil, err
		}
	case p.CursorTime != "" && !p.Cursor.Time.IsZero():
		r.at.Time = p.Cursor.Time.Add(-p.Overlap).UTC().Format(time.RFC3339Nano)
	}
	return r, nil
}

func (r *memoryReader) Close() error { return nil }

func (r *memoryReader) Next(ctx context.Context) (source.Page, error) {
	if r.m.beforePage != nil {
		if err := r.m.beforePage(r.pages); err != nil {
			return source.Page{}, err
		}
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.pages++
	if ctx.Err() != nil {
		return source.Page{}, ctx.Err()
	}
	stamp := func(row map[string]any) time.Time {
		t, _ := time.Parse(time.RFC3339Nano, row["updated_at"].(string))
		return t
	}
	before := func(a, b map[string]any) int {
		if r.p.CursorTime != "" {
			if c := stamp(a).Compare(stamp(b)); c != 0 {
				return c
			}
		}
		return cmp.Compare(a["id"].(string), b["id"].(string))
	}
	var rest []map[string]any
	from, _ := time.Parse(time.RFC3339Nano, r.at.Time)
	for _, row := range r.m.rows {
		t, id := stamp(row), row["id"].(string)
		if r.p.CursorTime == "" && id <= r.at.ID || r.p.CursorTime != "" && r.at.Time != "" && (t.Before(from) || t.Equal(from) && id <= r.at.ID) {
			continue
		}
		rest = append(rest, row)
	}
	slices.SortFunc(rest, before)
	size := r.p.PageSize
	if r.m.pageSize > 0 {
		size = min(size, r.m.pageSize)
	}
	if len(rest) == 0 {
		return source.Page{}, io.EOF
	}
	rest = rest[:min(size, len(rest))]
	page := source.Page{Total: int64(len(r.m.rows))}
	for _, row := range rest {
		names := slices.Sorted(maps.Keys(row))
		values := make([]any, len(names))
		for i, n := range names {
			values[i] = row[n]
		}
		page.Rows = append(page.Rows, source.Row{Columns: source.NewColumns(names), Values: values})
		r.m.rowsRead++
		if t := stamp(row); r.p.CursorTime != "" && t.After(r.cursor.Time) {
			r.cursor = source.Cursor{Time: t, ID: row["id"].(string)}
		}
	}
	if edge := r.m.now().Add(-r.p.Margin); r.cursor.Time.After(edge) {
		r.cursor = source.Cursor{Time: edge}
	}
	last := rest[len(rest)-1]
	r.at = memoryResume{Time: last["updated_at"].(string), ID: last["id"].(string)}
	resume, err := json.Marshal(r.at)
	page.Resume, page.Cursor = resume, r.cursor
	return page, err
}

func (m *memory) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	if m.beforePush != nil {
		if err := m.beforePush(); err != nil {
			return nil, err
		}
	}
	if err := fence.Allow(ctx); err != nil {
		return nil, err
	}
	out, err := m.write(spec, changes)
	if m.duringPush != nil {
		m.duringPush(changes)
	}
	if err != nil {
		return out, err
	}
	if m.afterPush != nil {
		if err := m.afterPush(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *memory) write(spec source.Spec, changes []source.Change) ([]source.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := source.Unanswered(len(changes))
	for i, c := range changes {
		written, answered := true, true
		if m.partly != nil {
			written, answered = m.partly(i)
		}
		r := source.Result{Err: source.ErrUnanswered}
		if written {
			m.pushes++
			r = m.change(spec, c)
		}
		if !answered {
			return out, errAway
		}
		out[i] = r
	}
	return out, nil
}

// pushed writes a row for a push. It stores values as m.stores says, and leaves updated_at
// alone if the source is silent.
func (m *memory) pushed(id string, fields map[string]any) {
	stamp := any(nil)
	if row := m.rows[id]; row != nil && m.silent {
		stamp = row["updated_at"]
	}
	fields = maps.Clone(fields)
	for k, v := range fields {
		if m.stores != nil {
			fields[k] = m.stores(v)
		}
	}
	if m.set(id, fields); stamp != nil {
		m.rows[id]["updated_at"] = stamp
	}
}

func (m *memory) change(spec source.Spec, c source.Change) source.Result {
	if c.Op == source.Create {
		var key string
		switch {
		case c.Key != nil:
			key = m.key(c.Key)
			if row := m.rows[key]; !m.blind && row != nil && row["deleted"] != true && !holds(spec, row, c.Fields) {
				return source.Result{Key: []any{key}, Err: source.ErrExists}
			}
		case m.sent[c.Attempt] != "":
			key = m.sent[c.Attempt]
		default:
			m.next++
			key = "row-" + strconv.Itoa(m.next)
			m.sent[c.Attempt] = key
		}
		m.pushed(key, c.Fields)
		m.rows[key]["id"] = key
		return source.Result{Key: []any{key}}
	}
	key := m.key(c.Key)
	row := m.rows[key]
	if row == nil || row["deleted"] == true {
		if c.Op == source.Delete {
			return source.Result{}
		}
		return source.Result{Err: source.ErrMoved}
	}
	if !m.blind && !holds(spec, row, c.Expect) {
		return source.Result{Err: source.ErrMoved}
	}
	if c.Op == source.Delete {
		if m.snapshot {
			delete(m.rows, key)
		} else {
			m.pushed(key, map[string]any{"deleted": true})
		}
		return source.Result{}
	}
	only := map[string]any{}
	for _, name := range c.Changed {
		only[name] = c.Fields[name]
	}
	m.pushed(key, only)
	return source.Result{}
}

// key returns the key as the source has it.
func (m *memory) key(parts []any) string {
	key := fmt.Sprint(parts[0])
	if m.folds {
		key = strings.ToLower(key)
	}
	return key
}

// FindKeys implements source.KeyFinder.
func (m *memory) FindKeys(_ context.Context, _ source.Spec, keys [][]any) ([][]any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([][]any, len(keys))
	for i, parts := range keys {
		if key := m.key(parts); m.rows[key] != nil {
			out[i] = []any{key}
		}
	}
	return out, nil
}

// holds reports whether the row has the values, in any spelling.
func holds(spec source.Spec, row, values map[string]any) bool {
	for name, v := range values {
		if name != "id" && fmt.Sprint(row[name]) != fmt.Sprint(v) && !spec.Means(name, row[name], v) {
			return false
		}
	}
	return true
}

var errAway = errors.New("the source cannot be reached")
