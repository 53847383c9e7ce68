package sqlsource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/sync/source"
)

// pusher is one call of Push.
type pusher struct {
	source  *sqlSource
	engine  engine
	table   *table
	spec    source.Spec
	keys    []column
	deleted *column // column that marks deleted rows; nil: rows are deleted
	time    *column // cursor column with its style; nil: there is none
	attempt *column // column of Change.Attempt; nil: the source does not choose keys
}

// Push implements source.Source.
func (s *sqlSource) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	ctx, cancel := s.within(ctx, s.options.wait.push)
	defer cancel()
	if len(changes) == 0 {
		return nil, ctx.Err()
	}
	p, err := s.pusher(ctx, spec, changes)
	if err != nil {
		return nil, err
	}
	changes, byClock := p.byClock(changes)
	results, err := p.together(ctx, changes)
	if err != nil && p.concernsRow(err) { // a deferred constraint fails the COMMIT
		results, err = p.apart(ctx, changes)
	}
	if err != nil {
		return results, s.failed(ctx, err, "%s cannot be written", p.table.name)
	}
	for i := range byClock {
		results[i].Key = changes[i].Key
	}
	return results, nil
}

func (s *sqlSource) pusher(ctx context.Context, spec source.Spec, changes []source.Change) (*pusher, error) {
	t, err := s.table(ctx, spec.Datatype)
	if err != nil {
		return nil, err
	}
	if t.query {
		return nil, fault.Wrap(fault.Invalid, source.ErrReadOnly, "%s cannot be written to", t.name)
	}
	p := &pusher{source: s, engine: s.engine, table: t, spec: spec}
	if len(spec.Key) == 0 {
		return nil, fault.New(fault.Invalid, "a push to %s needs a key", t.name)
	}
	if p.keys, err = t.need(spec.Key...); err != nil {
		return nil, err
	}
	used := map[string]bool{}
	creates := false
	for _, c := range changes {
		creates = creates || c.Op == source.Create
		for _, fields := range []map[string]any{c.Fields, c.Expect} {
			for name := range fields {
				used[name] = true
			}
		}
		for _, name := range c.Changed {
			used[name] = true
		}
	}
	if _, err := t.need(slices.Sorted(maps.Keys(used))...); err != nil {
		return nil, err
	}
	if spec.Deleted != "" {
		c, err := t.need(spec.Deleted)
		if err != nil {
			return nil, err
		}
		p.deleted = &c[0]
	}
	if spec.CursorTime != "" {
		c, err := t.need(spec.CursorTime)
		if err != nil {
			return nil, err
		}
		cursor, err := s.engine.cursor(ctx, t, c[0])
		if err != nil {
			return nil, s.failed(ctx, err, "%s cannot be read", t.name)
		}
		p.time = &cursor
	}
	if s.options.AttemptColumn != "" {
		c, err := t.need(s.options.AttemptColumn)
		if err != nil {
			return nil, err
		}
		p.attempt = &c[0]
	}
	if creates {
		return p, p.checkUnique(ctx)
	}
	return p, nil
}

// checkUnique returns a fault unless the key has a unique index.
func (p *pusher) checkUnique(ctx context.Context) error {
	columns := p.spec.Key
	if p.attempt != nil {
		columns = []string{p.attempt.name}
	}
	p.source.mu.Lock()
	known := p.table.unique
	p.source.mu.Unlock()
	if known != nil && slices.Equal(known, columns) {
		return nil
	}
	ok, err := p.engine.unique(ctx, p.table, columns)
	if err != nil {
		return p.source.failed(ctx, err, "the indexes of %s cannot be read", p.table.name)
	}
	if !ok {
		return fault.New(fault.Invalid, "%s has no primary key or unique index of exactly the columns %v: without it, a change that is sent again would insert a second row", p.table.name, columns)
	}
	p.source.mu.Lock()
	defer p.source.mu.Unlock()
	p.table.unique = columns
	return nil
}

// concernsRow reports whether the database refused one row.
func (p *pusher) concernsRow(err error) bool {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return false
	}
	c := p.engine.classify(err)
	return c == refusedRow || c == duplicate
}

// refusal returns the error for the result of one change, or nil if err concerns the whole
// push.
func (p *pusher) refusal(err error) error {
	for _, known := range []error{source.ErrMoved, source.ErrExists} {
		if errors.Is(err, known) {
			return known
		}
	}
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.Invalid {
		return f
	}
	if bad, ok := errors.AsType[*badValue](err); ok {
		return fault.New(fault.Invalid, "%s: %s", bad.column, bad.reason)
	}
	switch p.engine.classify(err) {
	case refusedRow:
		return fault.Wrap(fault.Invalid, err, "%s refused the row: %s", p.table.name, p.engine.explain(err))
	case duplicate:
		return fault.Wrap(fault.Conflict, err, "%s refused the row: %s", p.table.name, p.engine.explain(err))
	}
	return nil
}

// together pushes the changes in one transaction.
func (p *pusher) together(ctx context.Context, changes []source.Change) ([]source.Result, error) {
	if p.engine.abortsOnError() {
		// Most batches have no bad row, so a batch is first sent at once. If a row is
		// refused, the batch is sent again row by row, with a savepoint for each.
		results, err := p.transaction(ctx, changes, p.atOnce)
		if err == nil || p.refusal(err) == nil {
			return results, err
		}
	}
	return p.transaction(ctx, changes, p.oneByOne)
}

// apart pushes each change in a transaction of its own.
func (p *pusher) apart(ctx context.Context, changes []source.Change) ([]source.Result, error) {
	results := source.Unanswered(len(changes))
	for i := range changes {
		r, err := p.transaction(ctx, changes[i:i+1], p.oneByOne)
		if err == nil {
			results[i] = r[0]
			continue
		}
		refusal := p.refusal(err)
		if refusal == nil {
			return results, err
		}
		results[i] = source.Result{Err: refusal}
	}
	return results, nil
}

func (p *pusher) transaction(ctx context.Context, changes []source.Change,
	do func(context.Context, transaction, []source.Change) ([]source.Result, error),
) ([]source.Result, error) {
	if err := fence.Allow(ctx); err != nil {
		return nil, err
	}
	begun, err := p.engine.begin(ctx)
	if err != nil {
		return nil, err
	}
	tx := fenced{begun}
	results, err := do(ctx, tx, changes)
	if err != nil {
		tx.rollback()
		return nil, err
	}
	if err := tx.commit(ctx); err != nil {
		tx.rollback()
		return nil, err
	}
	return results, nil
}

// atOnce sends all changes together. It fails as a whole if one row is refused.
func (p *pusher) atOnce(ctx context.Context, tx transaction, changes []source.Change) ([]source.Result, error) {
	results := make([]source.Result, len(changes))
	var statements []*statement
	var of []int // index of each statement's change
	for i, c := range changes {
		s, err := p.statement(ctx, c)
		if err != nil {
			return nil, err
		}
		if s != nil {
			statements, of = append(statements, s), append(of, i)
		}
	}
	affected, err := tx.execAll(ctx, statements)
	if err != nil {
		return nil, err
	}
	for n, i := range of {
		results[i], err = p.finish(ctx, tx, changes[i], affected[n])
		if err != nil && !errors.Is(err, source.ErrMoved) && !errors.Is(err, source.ErrExists) {
			return nil, err
		}
		results[i].Err = err
	}
	return results, nil
}

const savepoint = "headgate_row"

func (p *pusher) oneByOne(ctx context.Context, tx transaction, changes []source.Change) ([]source.Result, error) {
	results := make([]source.Result, len(changes))
	for i, c := range changes {
		if p.engine.abortsOnError() {
			if _, err := tx.exec(ctx, "SAVEPOINT "+savepoint); err != nil {
				return nil, err
			}
		}
		r, err := p.one(ctx, tx, c)
		end := "RELEASE SAVEPOINT " + savepoint
		if err != nil {
			r.Err = p.refusal(err)
			if r.Err == nil {
				return nil, err
			}
			end = "ROLLBACK TO SAVEPOINT " + savepoint
		}
		if p.engine.abortsOnError() {
			if _, err := tx.exec(ctx, end); err != nil {
				return nil, err
			}
		}
		results[i] = r
	}
	return results, nil
}

func (p *pusher) one(ctx context.Context, tx transaction, c source.Change) (source.Result, error) {
	s, err := p.statement(ctx, c)
	if err != nil || s == nil {
		return source.Result{}, err
	}
	n, err := tx.exec(ctx, s.sql.String(), s.args...)
	if c.Op == source.Create && err != nil && p.engine.classify(err) == duplicate {
		return p.again(ctx, tx, c, err)
	}
	if err != nil {
		return source.Result{}, err
	}
	return p.finish(ctx, tx, c, n)
}

// again handles a Create that the database refused as a duplicate: of its own key, or of another
// unique index.
func (p *pusher) again(ctx context.Context, tx transaction, c source.Change, duplicate error) (source.Result, error) {
	if c.Key == nil {
		r, err := p.finish(ctx, tx, c, 0)
		if err != nil || r.Key == nil {
			return r, duplicate // the conflict concerns another unique index
		}
		return r, nil
	}
	if _, whole := p.engine.ignoring(p.keys...); whole {
		return source.Result{}, duplicate
	}
	return p.met(ctx, tx, c, duplicate)
}

// finish makes the result of a change from the number of rows that its statement found.
func (p *pusher) finish(ctx context.Context, tx transaction, c source.Change, found int64) (source.Result, error) {
	switch {
	case c.Op == source.Create && c.Key == nil:
		key, err := p.chosen(ctx, tx, c)
		return source.Result{Key: key}, err
	case c.Op == source.Create && found == 0:
		return p.met(ctx, tx, c, source.ErrMoved) // it vanished again: the next push creates it
	case c.Op == source.Create:
		return p.made(ctx, tx, c)
	case c.Op == source.Update && found == 0, c.Op == source.Delete && found == 0:
		return source.Result{}, p.otherwise(ctx, tx, c)
	}
	return source.Result{}, nil
}

// chosen returns the key of the row that has the change's attempt.
func (p *pusher) chosen(ctx context.Context, tx transaction, c source.Change) ([]any, error) {
	s := &statement{engine: p.engine}
	s.sql.WriteString("SELECT ")
	for i, k := range p.keys {
		if i > 0 {
			s.sql.WriteString(", ")
		}
		s.sql.WriteString(p.engine.quote(k.name))
	}
	placeholder, err := s.value(*p.attempt, c.Attempt)
	if err != nil {
		return nil, err
	}
	s.sql.WriteString(" FROM " + p.table.from + " WHERE " + p.engine.quote(p.attempt.name) + " = " + placeholder)
	r, err := tx.query(ctx, p.keys, s.sql.String(), s.args...)
	if err != nil {
		return nil, err
	}
	var key []any
	err = each(r, len(p.keys), func(values []any) error {
		key = slices.Clone(values)
		return nil
	})
	if err == nil && key == nil {
		err = fmt.Errorf("the row that was just inserted into %s cannot be found", p.table.name)
	}
	return key, err
}
