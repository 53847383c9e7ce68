package sqlsource

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// pass is one of the three parts of a pull, see the package comment.
type pass int

const (
	keyless  pass = iota // rows without a key, which are rejects
	timeless             // rows whose cursor column has no time that the database can order
	timed                // the other rows; all rows with a key if there is no cursor column
	ended
)

// mark is the position of a pull and the content of Resume.
type mark struct {
	Pass  pass          `json:"pass"`
	At    []any         `json:"at,omitempty"` // position of the last row in the pass
	Clock time.Time     `json:"clock"`        // the database's clock when the pull began
	Last  source.Cursor `json:"last"`
	Done  int64         `json:"done"`
	Total int64         `json:"total,omitempty"`
	Skip  int           `json:"skip,omitempty"` // rows without a key that were read
}

// reader implements source.Reader.
type reader struct {
	source *sqlSource
	table  *table
	pull   source.Pull
	keys   []column
	time   *column // nil: there is no cursor column
	clocks clocks
	mark   mark

	life   context.Context // context of the queries, which outlive a call
	end    context.CancelFunc
	rows   resultRows      // rows of the running query; nil: none runs
	live   context.Context // context of the running query
	cancel context.CancelFunc
	got    int   // rows read from this query
	dst    []any // the current row and its position
	width  int   // columns of a row
	values []any // memory for the next rows
	bytes  int   // bytes of the current page
	weighs bool  // the query checks the length of each row and leaves out long values
	closed bool
}

// Pull implements source.Source.
func (s *sqlSource) Pull(ctx context.Context, p source.Pull) (source.Reader, error) {
	t, err := s.table(ctx, p.Datatype)
	if err != nil {
		return nil, err
	}
	if len(p.Key) == 0 || p.PageSize <= 0 {
		return nil, fault.New(fault.Invalid, "a pull of %s needs a key and a page size", t.name)
	}
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	if err := p.CheckColumns(names); err != nil {
		return nil, err
	}
	r := &reader{source: s, table: t, pull: p, width: len(t.columns)}
	if r.keys, err = t.need(p.Key...); err != nil {
		return nil, err
	}
	if p.CursorTime != "" {
		c, err := t.need(p.CursorTime)
		if err != nil {
			return nil, err
		}
		cursor, err := s.engine.cursor(ctx, t, c[0])
		if err != nil {
			return nil, s.failed(ctx, err, "%s cannot be read", t.name)
		}
		r.time = &cursor
	}
	if p.Deleted != "" {
		if _, err := t.need(p.Deleted); err != nil {
			return nil, err
		}
	}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	r.life, r.end = context.WithCancel(context.WithoutCancel(ctx))
	r.dst = make([]any, len(r.columns()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers[r] = struct{}{}
	return r, nil
}

// begin sets the mark to the beginning of the pull or to its Resume. It reads the
// database's clock once, before any row. A transaction that commits during the pull may
// have written any time since then, so the cursor must never pass this clock.
func (r *reader) begin(ctx context.Context) error {
	if len(r.pull.Resume) > 0 {
		m, ok := readMark(r.pull.Resume)
		if !ok {
			return fault.New(fault.Invalid, "the pull of %s cannot be resumed: its saved position is not one of this source", r.table.name)
		}
		r.mark = m
		return r.askClocks(ctx)
	}
	ctx, cancel := r.source.within(ctx, r.source.options.wait.page)
	defer cancel()
	now, err := r.source.engine.clock(ctx)
	if err != nil {
		return r.source.failed(ctx, err, "the database's clock cannot be read")
	}
	r.mark = mark{Clock: now.UTC(), Last: r.pull.Cursor}
	if err := r.askClocks(ctx); err != nil {
		return err
	}
	r.mark.Total, err = r.count(ctx)
	return err
}

func readMark(resume json.RawMessage) (mark, bool) {
	var m mark
	raw, ok := fromJSON(resume)
	object, isObject := raw.(map[string]any)
	if !ok || !isObject || json.Unmarshal(resume, &m) != nil || m.Clock.IsZero() || m.Pass < keyless || m.Pass > ended {
		return m, false
	}
	m.At, _ = object["at"].([]any) // decoded by fromJSON, so numbers keep their digits
	return m, true
}

// position returns the columns that order the rows of a pass.
func (r *reader) position() []column {
	if r.mark.Pass == timed && r.time != nil {
		return append([]column{*r.time}, r.keys...)
	}
	return r.keys
}

// columns returns the columns that a query selects: those of the row, and for an engine
// with rawPositions also the position as the database stores it.
func (r *reader) columns() []column {
	columns := append([]column{}, r.table.columns...)
	if r.source.engine.rawPositions() {
		if r.time != nil {
			columns = append(columns, column{name: r.time.name, kind: kindRaw})
		}
		for _, k := range r.keys {
			columns = append(columns, column{name: k.name, kind: kindRaw})
		}
	}
	if r.weighs {
		columns = append(columns, column{kind: kindInteger})
	}
	return columns
}

// positionOf returns the position of the row in dst.
func (r *reader) positionOf(dst []any) []any {
	if r.source.engine.rawPositions() {
		raw := dst[r.width:]
		if r.weighs {
			raw = raw[:len(raw)-1]
		}
		if r.time != nil && r.mark.Pass != timed {
			raw = raw[1:]
		}
		return append([]any{}, raw...)
	}
	position := r.position()
	at := make([]any, len(position))
	for i, c := range position {
		at[i] = dst[r.table.names.Index(c.name)]
	}
	return at
}

// Next implements source.Reader.
func (r *reader) Next(ctx context.Context) (source.Page, error) {
	if r.closed {
		return source.Page{}, errClosed
	}
	ctx, cancel := r.source.within(ctx, r.source.options.wait.page)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return source.Page{}, err
	}
	before := r.mark
	page, err := r.nextPage(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		// The next call starts a new query and reads this page again.
		r.stop()
		r.mark = before
		return source.Page{}, r.source.failed(ctx, err, "%s cannot be read", r.table.name)
	}
	return page, err
}

// nextPage reads one page, across the ends of queries and passes.
func (r *reader) nextPage(ctx context.Context) (source.Page, error) {
	var page source.Page
	r.bytes = 0
	for !r.full(&page) && r.mark.Pass != ended {
		more, err := true, error(nil)
		if r.rows == nil {
			err = r.start(ctx)
		}
		if err == nil {
			more, err = r.fill(ctx, &page)
		}
		if err != nil {
			if err := r.pass(ctx, &page, err); err != nil {
				return page, err
			}
			continue
		}
		if !more {
			r.finishQuery()
		}
	}
	if len(page.Rows)+len(page.Rejects) == 0 {
		return page, io.EOF
	}
	resume, err := json.Marshal(r.mark)
	if err != nil {
		return page, err
	}
	page.Resume, page.Cursor, page.Done = resume, r.mark.Last, r.mark.Done
	if page.Total = r.mark.Total; page.Total > 0 {
		page.Total = max(page.Total, page.Done) // rows may have been added after the count
	}
	return page, nil
}

// start starts the query of the pass for the rows after the mark.
func (r *reader) start(ctx context.Context) error {
	r.got = 0
	s, err := r.statement()
	if err != nil {
		return err
	}
	life, cancel := context.WithCancel(r.life)
	// The query continues between calls, so it has a context of its own. The context of
	// this call ends it only while it starts.
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	rows, err := r.source.engine.query(life, r.columns(), s.sql.String(), s.args...)
	if err != nil {
		cancel()
		return err
	}
	r.rows, r.live, r.cancel = rows, life, cancel
	return nil
}

// stop ends the query, even if not all of its rows were read.
func (r *reader) stop() {
	if r.rows == nil {
		return
	}
	r.cancel() // must come first: close would read the remaining rows
	r.rows.release()
	r.rows = nil
}

// finishQuery closes a query that was read to its end. Unless the query was limited, the
// pass ends with it.
func (r *reader) finishQuery() {
	b, buffered := r.rows.(*bufferedRows)
	limited := r.limit() > 0 && r.got >= r.limit() || buffered && b.cut
	if r.mark.Pass == keyless { // rows without a key have no position to continue after
		limited = limited && buffered
	}
	r.rows.release()
	r.cancel()
	r.rows = nil
	if !limited {
		r.mark.Pass, r.mark.At = r.mark.Pass+1, nil
		if r.mark.Pass == timeless && r.time == nil {
			r.mark.Pass = timed
		}
	}
}

// fill adds rows to the page until the page is full. It reports false if the query has no
// more rows.
func (r *reader) fill(ctx context.Context, page *source.Page) (bool, error) {
	stop := context.AfterFunc(ctx, r.cancel)
	defer stop()
	n := len(r.table.columns)
	if page.Rows == nil {
		page.Rows = make([]source.Row, 0, min(r.pull.PageSize, 1024))
	}
	for !r.full(page) {
		if !r.rows.more() || !r.passRead() {
			if err := r.rows.err(); err != nil {
				return false, err
			}
			return false, errors.Join(ctx.Err(), r.live.Err()) // a cancelled query looks like one without more rows
		}
		err := r.rows.scan(r.dst)
		bad, isBad := errors.AsType[*badValue](err)
		if err != nil && !isBad {
			return false, err
		}
		r.got++
		r.bytes += r.rows.size()
		r.mark.Done++
		if r.mark.Pass == keyless {
			r.mark.Skip++
			page.Rejects = append(page.Rejects, r.reject("", r.keys[0].name, "the key is NULL"))
			continue
		}
		r.mark.At = r.positionOf(r.dst)
		if bad == errRowTooLong || r.weighs && r.dst[len(r.dst)-1] != int64(0) {
			page.Rejects = append(page.Rejects, source.Reject{Key: r.key(), Reason: rowTooLong})
			continue
		}
		if isBad {
			page.Rejects = append(page.Rejects, r.reject(r.key(), bad.column, bad.reason))
			continue
		}
		if r.time != nil && !r.follow(r.dst[r.table.names.Index(r.time.name)]) {
			r.bytes -= r.rows.size()
			continue
		}
		// Many rows share one array, which saves allocations.
		if len(r.values) < n {
			r.values = make([]any, n*min(r.pull.PageSize, 256))
		}
		values := r.values[:n:n]
		r.values = r.values[n:]
		copy(values, r.dst)
		page.Rows = append(page.Rows, source.Row{Columns: r.table.names, Values: values})
	}
	return true, nil
}

// advance moves the cursor to a row's time, but not past the clock of the beginning less
// the margin: later rows may still commit with earlier times.
func (r *reader) advance(at time.Time) {
	latest := r.mark.Clock.Add(-r.pull.Margin)
	id := ""
	if at.After(latest) {
		at = latest
	} else {
		id = r.key()
	}
	if !at.Before(r.mark.Last.Time) {
		r.mark.Last = source.Cursor{Time: at.UTC(), ID: id}
	}
}

func (r *reader) key() string {
	values := make([]any, len(r.keys))
	for i, k := range r.keys {
		values[i] = r.dst[r.table.names.Index(k.name)]
	}
	return describeKey(values)
}

func (r *reader) reject(key, field, reason string) source.Reject {
	raw := make(map[string]any, r.width)
	for i, c := range r.table.columns {
		raw[c.name] = r.dst[i]
	}
	return source.Reject{Key: key, Field: field, Reason: reason, Raw: raw}
}

// Close implements source.Reader.
func (r *reader) Close() error {
	if !r.closed {
		r.closed = true
		r.stop()
		r.end()
		r.source.mu.Lock()
		defer r.source.mu.Unlock()
		delete(r.source.readers, r)
	}
	return nil
}
