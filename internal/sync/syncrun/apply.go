package syncrun

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
)

// apply applies a page in one commit, or several if it is too large for one; the
// last of them moves the checkpoint.
func (p *puller) apply(ctx context.Context, m *mapped) error {
	before := p.step.Counts
	for attempt := 0; ; attempt++ {
		err := p.tryApply(ctx, m)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if attempt == 20 {
			return fault.Wrap(fault.Unavailable, err, "records of type %s change faster than they can be merged", p.step.Datatype)
		}
		p.fresh = false // somebody else writes to these records: look again
		p.step.Counts = before
	}
}

func (p *puller) tryApply(ctx context.Context, m *mapped) error {
	now := p.clock()
	p.planner.now = now
	others, err := p.pushedByOthers(ctx, p.step.Datatype)
	if err != nil {
		return err
	}
	items := lastOfEach(m.items)
	if n := len(m.items) - len(items); n > 0 {
		p.run.warn(fmt.Sprintf("%s: rows with the same key came within a page; the last of them counts", p.step.Datatype))
		p.step.Counts.Unchanged += int64(n)
	}
	olds, err := p.existing(ctx, items)
	if err != nil {
		return err
	}
	deletes := p.deletes
	writes := make([]store.Write, 0, len(items)+len(m.rejects))
	var changed []string
	known := make(map[*sentChange]bool)
	for i := range items {
		d, err := p.planner.pulled(&items[i], olds[i].id, olds[i].Record)
		if err != nil {
			return err
		}
		p.tally(&items[i], &olds[i].stored, d, &deletes)
		for _, c := range d.seen {
			known[c] = true
		}
		if !p.dry() {
			if writes, err = p.conflictWrites(ctx, writes, p.step.Datatype, &olds[i].stored, d, now); err != nil {
				return err
			}
		}
		if p.rejects.has(p.rejectID(items[i].Key)) {
			writes = append(writes, p.rejects.clear(p.rejectID(items[i].Key)))
		}
		if d.record == nil {
			continue
		}
		var order int64
		if d.effect != linked && others || d.pushes && p.def.pushes() {
			order = now.UnixMicro()
		}
		next := stored{d.record, olds[i].rev, olds[i].order}
		if writes = append(writes, next.write(p.records, order)); olds[i].alias != nil {
			writes, p.aliased = append(writes, olds[i].alias...), true
		}
		if d.effect != linked {
			changed = append(changed, d.record.ID)
		}
	}
	if most := p.def.deletable(p.count); deletes > most && !p.run.AllowDeletes {
		return tooManyDeletes(deletes, p.count, "here")
	}
	if p.dry() {
		p.planRejects(m.rejects)
		p.deletes = deletes
		return nil
	}
	rejected, err := p.rejectWrites(ctx, m.rejects)
	if err != nil {
		return err
	}
	writes = p.clearRetried(writes, rejected, m.retried)
	if p.run.Retry { // these rows are of earlier, and show nothing of what was sent since
		known = nil
	}
	forget, left := p.planner.sent.without(known)
	if err := p.commit(ctx, append(append(writes, rejected...), forget...), m); err != nil {
		return err
	}
	p.deletes, p.planner.sent = deletes, left
	if p.o.Changed != nil && len(changed) > 0 {
		p.o.Changed(p.def.OrgID, p.step.Datatype, changed)
	}
	return nil
}

// commit makes the writes, the last part of them together with the checkpoint.
func (p *puller) commit(ctx context.Context, writes []store.Write, m *mapped) error {
	limits := p.docs.Limits()
	for {
		n, size := 0, 64<<10 // what the run and the state may weigh
		for n < len(writes) && n < limits.MaxCommit-commitReserve {
			if size += len(writes[n].Doc.Body) + 256; n > 0 && size > limits.MaxCommitBytes {
				break
			}
			n++
		}
		if n < len(writes) {
			if _, err := p.h.commit(ctx, writes[:n], p.invalidate); err != nil {
				return err
			}
			writes = writes[n:]
			continue
		}
		resume := p.step.Resume
		p.step.Resume = m.Resume
		err := p.checkpoint(ctx, writes, p.invalidate)
		if err != nil {
			p.step.Resume = resume
		}
		return err
	}
}

// invalidate has the digests of the last pull forgotten before anything that
// they speak of changes.
func (p *puller) invalidate(st *state) {
	t := st.of(p.step.Datatype)
	t.Digests, t.Deleted = "", p.before+p.step.Counts.Deleted
}

// existing returns the records of the rows.
func (p *puller) existing(ctx context.Context, items []mapping.Mapped) ([]located, error) {
	if p.fresh || len(items) == 0 {
		none := make([]located, len(items))
		for i := range items {
			none[i].id = items[i].Key
		}
		return none, nil
	}
	keys := make([]string, len(items))
	for i := range items {
		keys[i] = items[i].Key
	}
	return p.locate(ctx, p.step.Datatype, keys, p.aliased)
}

// tally counts what the row came to, and writes it down in a dry run.
func (p *puller) tally(m *mapping.Mapped, old *stored, d planned, deletes *int64) {
	c := &p.step.Counts
	action := ""
	switch d.effect {
	case created:
		c.Created++
		action = "create"
	case updated:
		c.Updated++
		action = "update"
	case deleted:
		c.Deleted++
		*deletes++
		action = "delete"
	default:
		c.Unchanged++
	}
	if c.Conflicts += int64(d.clashes); d.clashes > 0 && p.planner.rule != Manual {
		p.run.warn(fmt.Sprintf("%s: both sides changed the same fields of some records, or one deleted what the other changed: the rule %s decided", p.step.Datatype, p.planner.rule))
	}
	if !p.dry() {
		return
	}
	if action != "" {
		p.plan(PlannedChange{Phase: Pull, Datatype: p.step.Datatype, ID: d.record.ID, Action: action, Fields: fieldChanges(old.Record, d.record)})
	}
	for _, x := range d.conflicts {
		p.plan(PlannedChange{
			Phase: Pull, Datatype: p.step.Datatype, ID: m.Key, Action: "conflict",
			Fields: []FieldChange{{Field: x.Field, Base: x.Base, Old: x.Store, New: x.Source}},
		})
	}
}

// fieldChanges says what is different, field by field.
func fieldChanges(old, next *record.Record) []FieldChange {
	var before, after map[string]any
	var err error
	if old != nil && !old.Deleted {
		if before, err = record.Decode(old.Data); err != nil {
			return nil
		}
	}
	if !next.Deleted {
		if after, err = record.Decode(next.Data); err != nil {
			return nil
		}
	}
	var out []FieldChange
	for _, d := range record.Diff(before, after, nil) {
		out = append(out, FieldChange{Field: d.Field, Old: d.Old, New: d.New})
	}
	return out
}

// lastOfEach returns the items without those that a later one of the same key
// replaces.
func lastOfEach(items []mapping.Mapped) []mapping.Mapped {
	at := make(map[string]int, len(items))
	for i := range items {
		at[items[i].Key] = i
	}
	if len(at) == len(items) {
		return items
	}
	out := make([]mapping.Mapped, 0, len(at))
	for i := range items {
		if at[items[i].Key] == i {
			out = append(out, items[i])
		}
	}
	return out
}
