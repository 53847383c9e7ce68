package sqlsource

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// column returns the column with a name that was checked before.
func (p *pusher) column(name string) column {
	c, _ := p.table.column(name)
	if p.time != nil && p.time.name == name {
		c = *p.time
	}
	c.zone = p.spec.Zones[name]
	return c
}

// byClock returns the changes with the keys of new rows as pulls return them, and which ones
// it changed. A record has an instant where a column without zones has the zone's clock.
func (p *pusher) byClock(changes []source.Change) ([]source.Change, map[int]bool) {
	changed := map[int]bool{}
	for k, key := range p.keys {
		c := p.column(key.name)
		if c.zone == nil || c.kind != kindLocal {
			continue
		}
		for i := range changes {
			if changes[i].Op != source.Create || k >= len(changes[i].Key) {
				continue
			}
			t, ok := timeOf(changes[i].Key[k])
			if !ok || t.Location() == source.Zoneless {
				continue
			}
			if len(changed) == 0 {
				changes = slices.Clone(changes)
			}
			changed[i] = true
			changes[i].Key = slices.Clone(changes[i].Key)
			changes[i].Key[k] = source.WithoutZone(t.Add(source.Offset(c.zone, t)))
		}
	}
	return changes, changed
}

// statement returns the statement of a change, or nil if there is nothing to do.
func (p *pusher) statement(ctx context.Context, c source.Change) (*statement, error) {
	if c.Key != nil && len(c.Key) != len(p.keys) {
		return nil, fault.New(fault.Invalid, "the key of %s has %d columns, not %d", p.table.name, len(p.keys), len(c.Key))
	}
	if c.Key == nil && (c.Op != source.Create || p.attempt == nil) {
		return nil, fault.New(fault.Invalid, "the record has no key for %s: set options.generatesKeys if the database chooses the keys", p.table.name)
	}
	switch c.Op {
	case source.Create:
		return p.insert(c)
	case source.Update:
		return p.update(c)
	case source.Delete:
		return p.deletion(ctx, c)
	}
	return nil, fault.New(fault.Invalid, "%q is not an operation", c.Op)
}

func (p *pusher) insert(c source.Change) (*statement, error) {
	s := &statement{engine: p.engine}
	values := map[string]any{}
	maps.Copy(values, c.Fields)
	if c.Key == nil {
		for _, k := range p.keys {
			delete(values, k.name)
		}
		values[p.attempt.name] = c.Attempt
	}
	for i, k := range p.keys {
		if c.Key != nil {
			values[k.name] = c.Key[i]
		}
	}
	names, placeholders := "", ""
	for _, name := range slices.Sorted(maps.Keys(values)) {
		column := p.column(name)
		if values[name] == nil && slices.Contains(c.Lacking, name) { // the column's default holds
			continue
		}
		placeholder, err := s.value(column, values[name])
		if err != nil {
			return nil, err
		}
		if names != "" {
			names, placeholders = names+", ", placeholders+", "
		}
		names, placeholders = names+p.engine.quote(name), placeholders+placeholder
	}
	s.sql.WriteString("INSERT INTO " + p.table.from + " (" + names + ") VALUES (" + placeholders + ")")
	if c.Key == nil {
		end, _ := p.engine.ignoring(*p.attempt)
		s.sql.WriteString(end)
	} else {
		end, _ := p.engine.ignoring(p.keys...)
		s.sql.WriteString(end)
	}
	return s, nil
}

// update returns a statement that sets the changed columns. Its condition holds if they
// have the values on which both sides last agreed, or already the new ones: an earlier
// attempt may have written them and lost its answer.
func (p *pusher) update(c source.Change) (*statement, error) {
	if len(c.Changed) == 0 {
		return nil, nil
	}
	s := &statement{engine: p.engine}
	s.sql.WriteString("UPDATE " + p.table.from + " SET ")
	now := make(map[string]any, len(c.Changed))
	was := make(map[string]any, len(c.Changed))
	for i, name := range c.Changed {
		column := p.column(name)
		placeholder, err := s.value(column, c.Fields[name])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			s.sql.WriteString(", ")
		}
		s.sql.WriteString(p.engine.quote(name) + " = " + placeholder)
		now[name] = c.Fields[name]
		if old, ok := c.Expect[name]; ok {
			was[name] = old
		}
	}
	s.sql.WriteString(" WHERE ")
	if err := p.whereKey(s, c); err != nil {
		return nil, err
	}
	if len(was) == 0 {
		return s, nil
	}
	s.sql.WriteString(" AND (")
	if err := p.whereSame(s, was); err != nil {
		return nil, err
	}
	s.sql.WriteString(" OR ")
	if err := p.whereSame(s, now); err != nil {
		return nil, err
	}
	s.sql.WriteString(")")
	return s, nil
}

// deletion returns a statement that deletes the row or marks it as deleted.
func (p *pusher) deletion(ctx context.Context, c source.Change) (*statement, error) {
	s := &statement{engine: p.engine}
	var mark any
	if p.deleted == nil {
		s.sql.WriteString("DELETE FROM " + p.table.from)
	} else {
		var err error
		if mark, err = p.mark(ctx); err != nil {
			return nil, err
		}
		placeholder, err := s.value(p.column(p.deleted.name), mark)
		if err != nil {
			return nil, err
		}
		s.sql.WriteString("UPDATE " + p.table.from + " SET " + p.engine.quote(p.deleted.name) + " = " + placeholder)
	}
	s.sql.WriteString(" WHERE ")
	if err := p.whereKey(s, c); err != nil {
		return nil, err
	}
	if len(c.Expect) == 0 {
		return s, nil
	}
	s.sql.WriteString(" AND (")
	if err := p.whereSame(s, c.Expect); err != nil {
		return nil, err
	}
	if p.deleted != nil {
		s.sql.WriteString(" OR ")
		if p.spec.DeletedEquals == nil && p.deleted.kind.isTime() {
			s.sql.WriteString(p.engine.quote(p.deleted.name) + " IS NOT NULL")
		} else if err := p.whereSame(s, map[string]any{p.deleted.name: mark}); err != nil {
			return nil, err
		}
	}
	s.sql.WriteString(")")
	return s, nil
}

// mark returns the value that marks a deleted row: the mapping's, or else the present time
// for a column of times, or else true.
func (p *pusher) mark(ctx context.Context) (any, error) {
	switch {
	case p.spec.DeletedEquals != nil:
		return p.spec.DeletedEquals, nil
	case p.deleted.kind.isTime():
		now, err := p.engine.clock(ctx)
		if err != nil || p.deleted.kind == kindInstant || p.spec.Zones[p.deleted.name] != nil {
			return now, err
		}
		own, err := p.engine.offsets(ctx, []time.Time{now}) // as the database's own stamps
		if err != nil {
			return nil, err
		}
		return source.WithoutZone(now.UTC().Add(own[0])), nil
	}
	return true, nil
}

func (p *pusher) whereKey(s *statement, c source.Change) error {
	for i, k := range p.keys {
		placeholder, err := s.value(k, c.Key[i])
		if err != nil {
			return err
		}
		if i > 0 {
			s.sql.WriteString(" AND ")
		}
		s.sql.WriteString(p.engine.quote(k.name) + " = " + placeholder)
	}
	return nil
}

func (p *pusher) whereSame(s *statement, values map[string]any) error {
	s.sql.WriteString("(")
	for i, name := range slices.Sorted(maps.Keys(values)) {
		column := p.column(name)
		placeholder, err := s.value(column, values[name])
		if err != nil {
			return err
		}
		if i > 0 {
			s.sql.WriteString(" AND ")
		}
		s.sql.WriteString(p.engine.same(column, placeholder))
	}
	s.sql.WriteString(")")
	return nil
}
