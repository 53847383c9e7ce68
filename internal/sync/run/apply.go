package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// apply applies a page in one commit, or in several if it is too large for one; the last
// of them moves the checkpoint. A process that dies in between repeats the page.
//
// People may edit records while they are merged. Each write requires that the record has
// not changed since it was read, so a conflict means a decision about an outdated record:
// the records are read again, and all rows of the page are decided anew.
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
		p.fresh = false // another writer was here: read the records again
		p.step.Counts = before
	}
}

// decided has the results of a page's rows, which one commit is to make true.
type decided struct {
	writes  []store.Write
	changed []occurrence.Changed
	seen    map[*plan.SentChange]bool // sent changes that the page shows
	deletes int64                     // of the run, with this page
}

// tryApply makes one attempt. store.ErrConflict: another writer was faster. Nothing is
// counted as deleted before it is committed, because the count outlives the attempt.
func (p *puller) tryApply(ctx context.Context, m *mapped) (err error) {
	ctx, span := trace.Start(ctx, trace.Internal, "apply page")
	span.SetString("headgate.datatype", p.step.Datatype)
	span.SetInt("headgate.rows", len(m.items))
	defer func() { span.End(err) }()
	p.planner.Now = p.e.svc.clock()
	others, err := p.e.others.Push(ctx, p.step.Datatype)
	if err != nil {
		return err
	}
	items := lastOfEach(m.items)
	if n := len(m.items) - len(items); n > 0 {
		p.run.warn(fmt.Sprintf("%s: a page had several rows with the same key; the last of them counts", p.step.Datatype))
		p.step.Counts.Unchanged += int64(n)
	}
	olds, err := p.existing(ctx, items)
	if err != nil {
		return err
	}
	page := decided{
		writes:  make([]store.Write, 0, len(items)+len(m.rejects)),
		seen:    make(map[*plan.SentChange]bool),
		deletes: p.deletes,
	}
	for i := range items {
		if err := p.decide(ctx, &page, &items[i], &olds[i], others); err != nil {
			return err
		}
	}
	if err := p.e.checkDeletes(page.deletes, p.count, "here"); err != nil {
		return err
	}
	if p.e.dry() {
		p.planRejects(m.rejects)
		p.deletes = page.deletes
		return nil
	}
	return p.keep(ctx, &page, m)
}

// decide merges a row with its record, and adds what that comes to. others: another sync pushes
// the datatype.
func (p *puller) decide(ctx context.Context, page *decided, item *mapping.Mapped, old *Located, others bool) error {
	d, err := p.planner.Pulled(item, old.RecordID, old.Record)
	if err != nil {
		return err
	}
	p.tally(item, &old.StoredRecord, d, &page.deletes)
	for _, c := range d.Seen {
		page.seen[c] = true
	}
	if !p.e.dry() {
		if page.writes, err = p.conflicts.Append(ctx, page.writes, p.step.Datatype, &old.StoredRecord, d, p.planner.Now); err != nil {
			return err
		}
	}
	page.writes = p.rejects.accepted(page.writes, definition.Pull, p.step.Datatype, item.Key)
	if d.Record == nil {
		return nil
	}
	page.writes = p.rejects.accepted(page.writes, definition.Push, p.step.Datatype, d.Record.ID) // its creation may have met this row
	// A record takes a new place in the order that pushes read only if there is
	// something to push: another sync pushes the datatype, or the source lacks a
	// value. Otherwise the next push would look at every record that was pulled.
	var order int64
	if d.Effect != plan.Linked && others || d.Pushes && p.def.Pushes() {
		order = p.planner.Now.UnixMicro()
	}
	if page.writes = append(page.writes, p.records.Replace(old.StoredRecord, d.Record, order)); old.Alias != nil {
		page.writes, p.aliased = append(page.writes, old.Alias...), true
	}
	if d.Effect != plan.Linked {
		page.changed = append(page.changed, occurrence.Changed{ID: d.Record.ID, Version: d.Record.Version, Deleted: d.Record.Deleted})
	}
	return nil
}

// keep commits a page with its rejects, and tells who waits for its records.
func (p *puller) keep(ctx context.Context, page *decided, m *mapped) error {
	refused := make([]*Rejected, len(m.rejects))
	for i, r := range m.rejects {
		refused[i] = newRejected(definition.Pull, p.step.Datatype, r)
	}
	rejected, err := p.rejects.keep(ctx, refused, p.run.ID, p.e.svc.clock())
	if err != nil {
		return err
	}
	writes := p.rejects.clearRetried(page.writes, rejected, m.retried)
	if p.run.Retry { // rejected rows are old, and show nothing of what was sent since
		page.seen = nil
	}
	forget, left := p.sent.without(page.seen)
	if err := p.commit(ctx, append(append(writes, rejected...), forget...), m, page.changed); err != nil {
		return err
	}
	p.deletes, p.sent = page.deletes, left
	p.planner.Sent = left.Of
	if len(page.changed) > 0 {
		p.e.svc.o.RecordsChanged(ctx, p.def.OrgID, p.step.Datatype, idsOf(page.changed))
	}
	return nil
}

// commit makes the writes, the last part of them together with the checkpoint. The other
// parts need none: if the process dies after them, the page is repeated, and the records
// that are written already are unchanged then. So each part tells by itself which records it
// changes.
func (p *puller) commit(ctx context.Context, writes []store.Write, m *mapped, changed []occurrence.Changed) error {
	limits, tell := p.docs.Limits(), p.newTeller(ctx, changed)
	for {
		n, size := 0, 64<<10 // of the run and the state
		for n < len(writes) && n < limits.MaxCommit-commitReserve-tell.reserve() {
			if size += len(writes[n].Doc.Body) + 256 + tell.bytes(writes[n]); n > 0 && size > limits.MaxCommitBytes {
				break
			}
			n++
		}
		told := tell.writes(ctx, writes[:n])
		part := append(writes[:n:n], told...)
		if n < len(writes) {
			if _, err := p.e.lease.commit(ctx, part, p.invalidate); err != nil {
				return err
			}
			p.e.svc.o.Outbox.Committed(told)
			writes = writes[n:]
			continue
		}
		resume := p.step.Resume
		p.step.Resume = m.Resume
		err := p.e.checkpoint(ctx, part, p.invalidate)
		if err != nil {
			p.step.Resume = resume
			return err
		}
		p.e.svc.o.Outbox.Committed(told)
		return nil
	}
}

// invalidate drops the last pull's digests before anything that they cover changes, and
// notes how much was deleted and how values are spelled.
func (p *puller) invalidate(st *syncState) {
	t := st.datatype(p.step.Datatype)
	t.Digests, t.Deleted = "", p.before+p.step.Counts.Deleted
	p.noteSpelling(t)
}

// existing returns the records of the rows. A first pull into an empty store spares that
// read. If a record is there after all, its creation conflicts, and apply reads from then
// on.
func (p *puller) existing(ctx context.Context, items []mapping.Mapped) ([]Located, error) {
	if p.fresh || len(items) == 0 {
		none := make([]Located, len(items))
		for i := range items {
			none[i].RecordID = items[i].Key
		}
		return none, nil
	}
	keys := make([]string, len(items))
	for i := range items {
		keys[i] = items[i].Key
	}
	return p.records.Locate(ctx, keys, p.aliased)
}

// tally counts the effect of a row. A dry run also lists it.
func (p *puller) tally(m *mapping.Mapped, old *StoredRecord, d plan.Outcome, deletes *int64) {
	c := &p.step.Counts
	action := ""
	switch d.Effect {
	case plan.Created:
		c.Created++
		action = "create"
	case plan.Updated:
		c.Updated++
		action = "update"
	case plan.Deleted:
		c.Deleted++
		*deletes++
		action = "delete"
	default:
		c.Unchanged++
	}
	if c.Conflicts += int64(d.Clashes); d.Clashes > 0 && p.planner.Rule != definition.Manual {
		p.run.warn(fmt.Sprintf("%s: both sides changed the same fields of some records, or one deleted what the other changed: the rule %s decided", p.step.Datatype, p.planner.Rule))
	}
	if !p.e.dry() {
		return
	}
	if action != "" {
		p.e.plan(PlannedChange{Phase: definition.Pull, Datatype: p.step.Datatype, ID: d.Record.ID, Action: action, Fields: fieldChanges(old.Record, d.Record)})
	}
	for _, x := range d.Conflicts {
		p.e.plan(PlannedChange{
			Phase: definition.Pull, Datatype: p.step.Datatype, ID: m.Key, Action: "conflict",
			Fields: []FieldChange{{Field: x.Field, Base: x.Base, Old: x.Store, New: x.Source}},
		})
	}
}

func (p *puller) planRejects(rejects []source.Reject) {
	for _, r := range rejects {
		p.e.plan(PlannedChange{
			Phase: definition.Pull, Datatype: p.step.Datatype, ID: r.Key, Line: r.Line, Action: "reject",
			Fields: fieldOf(r.Field), Reason: r.Reason,
		})
	}
}

// fieldChanges returns the differences, field by field.
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

// lastOfEach drops the items that a later one of the same key replaces: a commit names a
// record once.
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
