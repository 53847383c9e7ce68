package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
)

// pusher works on a push step.
type pusher struct {
	e      *execution
	docs   store.Docs
	def    *definition.Sync
	run    *Run
	step   *Step
	mapper *mapping.Mapper

	records *Records
	rejects *rejectList
	sent    *SentLog
	ahead   bool // sent has the next batch already

	own   ownIDs                  // of the records that those of the page name
	named map[string]StoredRecord // from which new rows of the page take ids
	made  int64                   // rows that were made before the batch

	later map[string]bool // records at which the source failed in this push; the next one sends them again

	deletes int64 // rows deleted since a push last ended well
	before  int64 // those of them that earlier runs deleted
	count   int   // of records, when the step began
}

// outgoing is a record that is about to be pushed.
type outgoing struct {
	StoredRecord
	change source.Change
	sent   map[string]any // the record's data as the source gets it
	part   bool           // the source does not get all of the data
	fields []string       // those of sent that an update sets or removes
	link   record.Link
	known  bool
	// doubts were sent of the record before, without an answer. own is this change, unless
	// the same was sent before.
	doubts []*plan.SentChange
	own    *plan.SentChange
}

// push works on a push step: it reads the records that may have changed, and sends what
// the source lacks of them.
//
// A push that repeats records does no harm, because a record without a base has nothing
// to send. So the step's position may lag behind, and it moves only after its page was
// sent: a process that takes over sends nothing twice whose answer was recorded.
func (e *execution) push(ctx context.Context, step *Step, m *mapping.Mapper) error {
	docs := e.svc.docs
	p := &pusher{
		e: e, docs: docs, def: e.def, run: e.run, step: step, mapper: m,
		records: NewRecords(docs, e.def, step.Datatype), rejects: newRejectList(docs, e.def.ID), later: map[string]bool{},
	}
	var err error
	if p.count, err = docs.CountDocs(ctx, p.records.collection, maxCount); err != nil {
		return err
	}
	if err := p.rejects.load(ctx); err != nil {
		return err
	}
	if p.sent, err = ReadSent(ctx, docs, e.def.ID, step.Datatype); err != nil {
		return err
	}
	known := e.lease.current().datatype(step.Datatype)
	p.deletes, p.before = known.DeletedThere, known.DeletedThere-step.Counts.Deleted
	if e.run.Retry {
		return p.retry(ctx)
	}
	listing := p.listing(known)
	for {
		page, err := docs.List(ctx, listing)
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := p.page(ctx, page); err != nil {
				return err
			}
			last := page[len(page)-1]
			listing.After = store.Position{Order: last.Order, ID: last.ID}
			if !listing.ByOrder {
				listing.After.Order = 0
			}
			// The next checkpoint stores the place. If the process dies before, its successor looks
			// at the page again. Records that were settled have no base by then and are passed over.
			position := listing.After
			step.Position = &position
		}
		if listing.Over(page) {
			return p.conclude(ctx)
		}
		if err := e.checkpoint(ctx, nil, nil); err != nil {
			return err
		}
		if err := e.pause(ctx); err != nil {
			return err
		}
	}
}

// listing returns what is read first. A first push looks at every record, by id: records
// that were only pulled have no place in the order. Later pushes look at what changed since,
// unless rows take ids from other records.
func (p *pusher) listing(known *typeState) store.Listing {
	limits := p.docs.Limits()
	listing := store.Listing{Collection: p.records.collection, Limit: min(500, limits.MaxCommit-commitReserve), Bytes: store.PageBytes}
	from := known.pushFrom(p.e.svc.clock())
	if field, _ := p.inherits(); known.Pushed == 0 || field != "" {
		from = 0
		if first, _ := p.def.FirstCursor(); !first.IsZero() {
			from = first.UnixMicro()
		}
	}
	if from > 0 {
		listing.ByOrder = true
		listing.After = store.Position{Order: from}
	}
	if p.step.Position != nil {
		listing.After, listing.ByOrder = *p.step.Position, p.step.Position.Order > 0
	}
	return listing
}

func (p *pusher) conclude(ctx context.Context) error {
	if p.step.Settle {
		p.step.State, p.step.Position = Finished, nil
		return p.e.checkpoint(ctx, nil, func(st *syncState) { st.datatype(p.step.Datatype).Doubt = false })
	}
	if err := p.e.checkRejected(p.step); err != nil {
		return p.tooMany(ctx, err)
	}
	p.step.State, p.step.Position = Finished, nil
	if p.e.dry() {
		return p.e.checkpoint(ctx, nil, nil)
	}
	// A record that changed during the run may have been passed over, so the next push
	// looks again from the time when this run began.
	upTo := p.run.StartedAt.UnixMicro()
	return p.e.checkpoint(ctx, nil, func(st *syncState) {
		t := st.datatype(p.step.Datatype)
		t.notePushed(upTo)
		t.Doubt, t.DeletedThere = false, 0
	})
}

// tooMany ends a step that the source refused too many rows of. The next push sends all of
// them again: most likely something is wrong that can be put right. But every outcome is
// known, so the other steps go on: rows that are refused must not stop a pull, nor the
// rows of another datatype.
func (p *pusher) tooMany(ctx context.Context, err error) error {
	p.step.State, p.step.Position = Failed, nil
	p.run.Errors = append(p.run.Errors, Explain(err))
	return p.e.checkpoint(ctx, nil, func(st *syncState) {
		if !p.e.dry() {
			t := st.datatype(p.step.Datatype)
			t.Doubt, t.DeletedThere = false, 0
		}
	})
}

// page pushes what the source lacks of the records, in batches as the source takes them.
func (p *pusher) page(ctx context.Context, docs []store.Doc) error {
	p.step.Counts.Read += int64(len(docs))
	p.step.Progress.Done += int64(len(docs))
	p.step.Progress.Unit = unitRecords
	if err := errors.Join(p.readOwnIDs(ctx, docs), p.readNamed(ctx, docs)); err != nil {
		return err
	}
	var out []*outgoing
	var refused []*Rejected
	deletes := p.deletes
	for _, d := range docs {
		r, err := parseRecord(d)
		if err != nil {
			return err
		}
		o, reject, err := p.outgoing(r)
		if o != nil && reject == nil {
			reject = p.wrongKey(o)
		}
		switch {
		case err != nil:
			return err
		case reject != nil:
			refused = append(refused, reject)
		case o == nil:
			p.step.Counts.Unchanged++
		default:
			if o.change.Op == source.Delete {
				deletes++
			}
			out = append(out, o)
		}
	}
	if err := p.e.checkDeletes(deletes, p.count, "at the source"); err != nil {
		return err
	}
	p.deletes = deletes
	if p.e.dry() {
		p.planOut(out, refused)
		return nil
	}
	if err := p.reject(ctx, refused); err != nil {
		return err
	}
	size := max(1, min(p.e.source.PushSize(), p.docs.Limits().MaxCommit-commitReserve))
	return p.sendAll(ctx, slices.Collect(slices.Chunk(out, size)))
}

// expect returns the values that the row has if it is as in base: the changed ones for an
// update, all for a deletion. The source refuses the change if the row has others: the
// next pull has to merge it first. A base that an older mapping made may not map back;
// then the change is sent without that condition.
func (p *pusher) expect(o *outgoing, base map[string]any) map[string]any {
	values, reject := p.mapper.Unmap(base)
	if reject != nil {
		return nil
	}
	if o.change.Op == source.Update {
		return mapping.Pick(values, o.change.Changed)
	}
	return values
}

// wrongKey refuses a change whose key has more or fewer parts than the rows' key has
// columns: the record's id is not a valid key at the source, or its row had another key before
// the definition changed. The source could neither find such a row nor make it.
func (p *pusher) wrongKey(o *outgoing) *Rejected {
	columns := p.mapper.Spec().Key
	if k := o.change.Key; k != nil && len(k) != len(columns) {
		return p.refuse(o, "", fmt.Sprintf("its key has %d parts, and the rows' key is of %d columns: %q", len(k), len(columns), columns))
	}
	return nil
}

func (p *pusher) refuse(o *outgoing, field, reason string) *Rejected {
	r := newRejected(definition.Push, p.step.Datatype, source.Reject{Key: o.ID, Field: field, Reason: reason})
	r.Mapped = o.Data
	return r
}

func (p *pusher) reject(ctx context.Context, refused []*Rejected) error {
	if len(refused) == 0 {
		return nil
	}
	p.step.Counts.Rejected += int64(len(refused))
	writes, err := p.rejects.keep(ctx, refused, p.run.ID, p.e.svc.clock())
	if err != nil {
		return err
	}
	return p.e.checkpoint(ctx, writes, nil)
}

// planOut lists what a push would do.
func (p *pusher) planOut(out []*outgoing, refused []*Rejected) {
	for _, o := range out {
		c := PlannedChange{Phase: definition.Push, Datatype: p.step.Datatype, ID: o.ID, Action: string(o.change.Op)}
		switch o.change.Op {
		case source.Create:
			p.step.Counts.Created++
			for _, name := range slices.Sorted(maps.Keys(o.change.Fields)) {
				c.Fields = append(c.Fields, FieldChange{Field: name, New: o.change.Fields[name]})
			}
		case source.Update:
			p.step.Counts.Updated++
			for _, name := range o.change.Changed {
				c.Fields = append(c.Fields, FieldChange{Field: name, Old: o.change.Expect[name], New: o.change.Fields[name]})
			}
		case source.Delete:
			p.step.Counts.Deleted++
		}
		p.e.plan(c)
	}
	for _, r := range refused {
		p.step.Counts.Rejected++
		p.e.plan(PlannedChange{Phase: definition.Push, Datatype: p.step.Datatype, ID: r.Key, Action: "reject", Fields: fieldOf(r.Field), Reason: r.Reason})
	}
}
