package syncrun

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/mapping"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/source"
	"github.com/headgate/headgate/internal/store"
)

// puller is the work on a pull step.
type puller struct {
	*execution
	step    *Step
	mapper  *mapping.Mapper
	planner planner
	records store.Collection
	// fresh: the collection was empty when the step began and nobody else has
	// written to it, so records need not be read before they are created.
	fresh   bool
	aliased bool // some rows have other keys than their records
	rejects rejectIDs
	digests *digests // nil where pulls are not of everything
	absent  *absence // nil where missing rows mean nothing
	deletes int64
	count   int // of records, when the step began
}

// mapped is a page, mapped.
type mapped struct {
	source.Page
	items   []mapping.Mapped
	rejects []source.Reject // of the source and of the mapping
	read    int64
	digest  digest
	err     error // io.EOF after the last page
}

func (e *execution) pull(ctx context.Context, step *Step, m *mapping.Mapper) error {
	p := &puller{
		execution: e, step: step, mapper: m, records: store.RecordsOf(e.def.OrgID, step.Datatype),
		planner: planner{sync: e.def.ID, fields: m.Fields(), rule: e.def.rule()},
	}
	spec := m.Spec()
	st := e.h.current()
	known := st.of(step.Datatype)
	step.CursorBefore = known.Cursor
	whole := spec.CursorTime == "" && step.Resume == nil && !e.run.Retry
	if err := p.prepare(ctx, known, whole); err != nil {
		return err
	}
	reader, err := p.open(ctx, known)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	pages := make(chan *mapped, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read(reading, reader, pages)
	}()
	err = p.pages(ctx, pages)
	stop()
	<-done
	return errors.Join(err, reader.Close())
}

func (p *puller) open(ctx context.Context, known *typeState) (source.Reader, error) {
	if p.run.Retry {
		r := &retryReader{s: p.Service, syncID: p.def.ID, datatype: p.step.Datatype, size: min(200, p.pageSize())}
		if p.step.Resume != nil {
			return r, json.Unmarshal(p.step.Resume, &r.after)
		}
		return r, nil
	}
	return p.source.Pull(ctx, source.Pull{Spec: p.mapper.Spec(), Cursor: known.Cursor, Resume: p.step.Resume, PageSize: p.pageSize()})
}

// pageSize is so that a page and its checkpoint fit in one commit.
func (p *puller) pageSize() int { return min(pageSize, p.docs.Limits().MaxCommit-commitReserve) }

// commitReserve is for the run, the state and the like.
const commitReserve = 10

func (p *puller) prepare(ctx context.Context, known *typeState, whole bool) (err error) {
	if p.count, err = p.docs.CountDocs(ctx, p.records, 1_000_000); err != nil {
		return err
	}
	p.fresh = p.count == 0
	n, err := p.docs.CountDocs(ctx, aliases(p.def.ID, p.step.Datatype), 1)
	if err != nil {
		return err
	}
	p.aliased = n > 0
	if p.rejects, err = p.rejectsOf(ctx, p.def.ID, p.step.Datatype); err != nil {
		return err
	}
	if whole {
		p.digests, err = p.readDigests(ctx, p.def.ID, p.step.Datatype, known.Digests)
		if p.mapper.DeleteMissing() {
			p.absent = newAbsence()
		}
	}
	return err
}

// read maps the source's pages as they come, a page ahead of what is applied.
func (p *puller) read(ctx context.Context, reader source.Reader, pages chan<- *mapped) {
	defer close(pages)
	for {
		var m *mapped
		page, err := reader.Next(ctx)
		if err == nil {
			m = p.mapPage(page)
		} else {
			m = &mapped{err: err}
		}
		select {
		case pages <- m:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (p *puller) mapPage(page source.Page) *mapped {
	m := &mapped{Page: page, items: make([]mapping.Mapped, 0, len(page.Rows)), rejects: page.Rejects}
	m.read = int64(len(page.Rows) + len(page.Rejects))
	for _, row := range page.Rows {
		item, reject := p.mapper.Map(row)
		if reject != nil {
			m.rejects = append(m.rejects, *reject)
			continue
		}
		m.items = append(m.items, item)
	}
	m.Rows = nil // they are the reader's again
	if len(m.rejects) == 0 {
		m.digest = digestOf(m.items)
	}
	return m
}

func (p *puller) pages(ctx context.Context, pages <-chan *mapped) error {
	var last source.Cursor
	lastCheckpoint := p.now()
	for m := range pages {
		if errors.Is(m.err, io.EOF) {
			return p.conclude(ctx, last)
		}
		if m.err != nil {
			return m.err
		}
		last = m.Cursor
		p.step.Counts.Read += m.read
		p.step.Counts.Rejected += int64(len(m.rejects))
		p.step.Progress = Progress{Done: m.Done, Total: m.Total}
		p.absent.saw(m)
		if p.digests.same(m.digest) {
			p.step.Counts.Unchanged += int64(len(m.items))
			p.step.Resume = m.Resume
			if p.now().Sub(lastCheckpoint) > time.Second && !p.dry() {
				if err := p.checkpoint(ctx, nil, nil); err != nil {
					return err
				}
				lastCheckpoint = p.now()
			}
		} else {
			if err := p.apply(ctx, m); err != nil {
				return err
			}
			lastCheckpoint = p.now()
		}
		if err := p.checkRejected(p.step); err != nil {
			return err
		}
		if err := p.pause(ctx); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

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
	for i := range items {
		d, err := p.planner.pulled(&items[i], olds[i].id, olds[i].Record)
		if err != nil {
			return err
		}
		p.tally(&items[i], &olds[i].stored, d, &deletes)
		if writes, err = p.conflictWrites(ctx, writes, &olds[i].stored, d); err != nil {
			return err
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
	if err := p.commit(ctx, append(writes, rejected...), m); err != nil {
		return err
	}
	p.deletes = deletes
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
func (p *puller) invalidate(st *state) { st.of(p.step.Datatype).Digests = "" }

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
	c.Conflicts += int64(len(d.conflicts))
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

// conclude ends the step: what is missing is deleted, and the cursor moves.
func (p *puller) conclude(ctx context.Context, last source.Cursor) error {
	if p.absent != nil {
		if err := p.deleteAbsent(ctx); err != nil {
			return err
		}
	}
	if err := p.checkRejected(p.step); err != nil {
		return err
	}
	step := p.step
	step.State, step.Resume = Finished, nil
	if step.Progress.Total > 0 {
		step.Progress.Done = step.Progress.Total
	}
	if last == (source.Cursor{}) {
		last = step.CursorBefore
	}
	step.CursorAfter = last
	if p.dry() {
		p.run.warnValidated(step)
		return p.checkpoint(ctx, nil, nil)
	}
	writes, id := p.digests.write(p.def.ID, step.Datatype)
	return p.checkpoint(ctx, writes, func(st *state) {
		t := st.of(step.Datatype)
		t.Cursor = last
		if p.digests != nil {
			t.Digests = id
		}
	})
}

// warnValidated says it in the words of OurWater.
func (r *Run) warnValidated(step *Step) {
	r.warn(fmt.Sprintf("Validated %d %ss.", step.Counts.Read-step.Counts.Rejected, step.Datatype))
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

// digest is of a page's rows, mapped; the zero digest equals none.
type digest [16]byte

func digestOf(items []mapping.Mapped) (d digest) {
	h := sha256.New()
	var b []byte
	for i := range items {
		b = append(append(b[:0], items[i].Key...), 0)
		if items[i].Deleted {
			b = append(b, 1)
		}
		_, _ = h.Write(append(append(b, items[i].Data...), 0))
	}
	copy(d[:], h.Sum(nil))
	return d
}
