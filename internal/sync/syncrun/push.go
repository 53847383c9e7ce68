package syncrun

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// pushOverlap is looked at again by every push: writers' clocks differ, and a
// write takes its place in the order a moment before it can be read there.
const pushOverlap = 5 * time.Minute

// pusher is the work on a push step.
type pusher struct {
	*execution
	step    *Step
	mapper  *mapping.Mapper
	spec    source.Spec
	fields  []string
	records store.Collection
	rejects rejectIDs
	sent    *sent // what was sent and not answered
	deletes int64 // since a push last ended well
	before  int64 // of them, by earlier runs
	count   int
}

// outgoing is a record on its way out.
type outgoing struct {
	stored
	change source.Change
	sent   map[string]any // the record's data as it goes
	fields []string       // of them, those that an update sets or removes
	link   record.Link
	known  bool
	// doubts are what was sent of it before, and own is this change, if it was not.
	doubts []*sentChange
	own    *sentChange
}

func (e *execution) push(ctx context.Context, step *Step, m *mapping.Mapper) error {
	p := &pusher{
		execution: e, step: step, mapper: m, spec: m.Spec(), fields: m.Fields(), records: store.RecordsOf(e.def.OrgID, step.Datatype),
	}
	var err error
	if p.count, err = e.docs.CountDocs(ctx, p.records, 1_000_000); err != nil {
		return err
	}
	if p.rejects, err = e.rejectsOf(ctx, e.def.ID, step.Datatype); err != nil {
		return err
	}
	if p.sent, err = e.readSent(ctx, e.def.ID, step.Datatype); err != nil {
		return err
	}
	known := e.h.current().of(step.Datatype)
	p.deletes, p.before = known.DeletedThere, known.DeletedThere-step.Counts.Deleted
	if e.run.Retry {
		return p.retry(ctx)
	}
	// A first push looks at every record; later ones at what changed since.
	listing := store.Listing{Collection: p.records, Limit: min(500, e.docs.Limits().MaxCommit-commitReserve), Bytes: store.PageBytes}
	if from := known.pushFrom(e.clock()); from > 0 {
		listing.ByOrder = true
		listing.After = store.Position{Order: from}
	}
	if step.Position != nil {
		listing.After, listing.ByOrder = *step.Position, step.Position.Order > 0
	}
	for {
		docs, err := e.docs.List(ctx, listing)
		if err != nil {
			return err
		}
		if len(docs) > 0 {
			if err := p.page(ctx, docs); err != nil {
				return err
			}
			last := docs[len(docs)-1]
			listing.After = store.Position{Order: last.Order, ID: last.ID}
			if !listing.ByOrder {
				listing.After.Order = 0
			}
			position := listing.After
			step.Position = &position
		}
		if listing.Over(docs) {
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

func (p *pusher) conclude(ctx context.Context) error {
	if p.step.Settle {
		p.step.State, p.step.Position = Finished, nil
		return p.checkpoint(ctx, nil, func(st *state) { st.of(p.step.Datatype).Doubt = false })
	}
	if err := p.checkRejected(p.step); err != nil {
		return err
	}
	p.step.State, p.step.Position = Finished, nil
	if p.dry() {
		return p.checkpoint(ctx, nil, nil)
	}
	upTo := p.run.StartedAt.UnixMicro() // what came later is for the next push
	return p.checkpoint(ctx, nil, func(st *state) {
		t := st.of(p.step.Datatype)
		t.pushed(upTo)
		t.Doubt, t.DeletedThere = false, 0
	})
}

// page pushes what there is to push of the records, in batches as the source
// takes them.
func (p *pusher) page(ctx context.Context, docs []store.Doc) error {
	p.step.Counts.Read += int64(len(docs))
	p.step.Progress.Done += int64(len(docs))
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
	if most := p.def.deletable(p.count); deletes > most && !p.run.AllowDeletes {
		return tooManyDeletes(deletes, p.count, "at the source")
	}
	p.deletes = deletes
	if p.dry() {
		p.planOut(out, refused)
		return nil
	}
	if err := p.reject(ctx, refused); err != nil {
		return err
	}
	for batch := range slices.Chunk(out, max(1, min(p.source.PushSize(), p.docs.Limits().MaxCommit-commitReserve))) {
		if err := p.pause(ctx); err != nil {
			return err
		}
		if err := p.send(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// outgoing returns what the source is to be told of the record; nil: nothing.
func (p *pusher) outgoing(r stored) (*outgoing, *Rejected, error) {
	if l := r.Links[p.def.ID]; l.Attempt != "" {
		return p.again(r, l)
	}
	if p.step.Settle {
		return nil, nil, nil
	}
	link, known := r.Link(p.def.ID)
	known = known && !link.Gone
	sent := p.sent.of(r.ID)
	if known && link.Base == nil && !r.Deleted && sent == nil || r.Deleted && (!known && sent == nil || slices.Contains(link.Held, heldDeletion)) {
		return nil, nil, nil
	}
	ours, err := record.Decode(r.Data)
	if err != nil {
		return nil, nil, err
	}
	base := ours
	if link.Base != nil {
		if base, err = record.Decode(link.Base); err != nil {
			return nil, nil, err
		}
	}
	o := &outgoing{stored: r, link: link, known: known, sent: ours}
	o.change = source.Change{ID: r.ID, ExternalIDs: r.ExternalIDs}
	if r.Deleted {
		if !known { // we may have made the row before the record was deleted
			o.link.Key = r.ID
		}
		return p.deletion(o, base)
	}
	fields, reject := p.mapper.Unmap(ours)
	if reject != nil {
		return nil, p.refuse(o, reject.Field, reject.Reason), nil
	}
	o.change.Fields = fields
	if !known {
		o.change.Op, o.change.Key = source.Create, p.newKey(r.ID, fields)
		o.change.Attempt = attempt(p.def.ID, r)
		return o, nil, nil
	}
	// What is in doubt goes out as well: the row may be other than the base.
	o.fields = slices.DeleteFunc(p.unsettled(base, ours, sent), func(f string) bool { return slices.Contains(link.Held, f) })
	columns := p.mapper.ColumnsOf(o.fields)
	if len(columns) == 0 {
		return nil, nil, nil
	}
	o.change.Op, o.change.Key, o.change.Changed = source.Update, p.mapper.Unkey(link.Key), columns
	o.change.Expect = p.expect(o, base)
	o.change.Attempt = attempt(p.def.ID, r)
	if len(link.Held) > 0 { // they stay as the source has them
		o.sent = maps.Clone(ours)
		for _, f := range link.Held {
			if v, ok := base[f]; ok {
				o.sent[f] = v
			} else {
				delete(o.sent, f)
			}
		}
	}
	return o, nil, nil
}

func (p *pusher) deletion(o *outgoing, base map[string]any) (*outgoing, *Rejected, error) {
	o.change.Op, o.change.Key, o.change.Attempt = source.Delete, p.mapper.Unkey(o.link.Key), attempt(p.def.ID, o.stored)
	o.change.Expect = p.expect(o, base)
	return o, nil, nil
}

// expect returns the values that the row has if it is as in base: the changed ones for an
// update, all for a deletion.
func (p *pusher) expect(o *outgoing, base map[string]any) map[string]any {
	values, reject := p.mapper.Unmap(base)
	if reject != nil {
		return nil
	}
	if o.change.Op == source.Update {
		return only(values, o.change.Changed)
	}
	return values
}

// wrongKey refuses what the source could not find or make: the record's id, or the
// key of its row before the definition had another, is no key of as many columns.
func (p *pusher) wrongKey(o *outgoing) *Rejected {
	if k := o.change.Key; k != nil && len(k) != len(p.spec.Key) {
		return p.refuse(o, "", fmt.Sprintf("its key has %d parts, and the rows' key is of %d columns: %q", len(k), len(p.spec.Key), p.spec.Key))
	}
	return nil
}

func only(m map[string]any, names []string) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(names))
	for _, n := range names {
		out[n] = m[n]
	}
	return out
}

// newKey is the key of a row that is new to the source: what the record's data
// says, or its id; nil if the source chooses keys itself.
func (p *pusher) newKey(id string, fields map[string]any) []any {
	return newKey(p.source, p.mapper, p.step.Datatype, id, fields)
}

func newKey(src source.Source, m *mapping.Mapper, datatype, id string, fields map[string]any) []any {
	columns := m.Spec().Key
	key := make([]any, len(columns))
	for i, column := range columns {
		v, ok := fields[column]
		if !ok || v == nil {
			if c, ok := src.(source.KeyChooser); ok && c.ChoosesKeys(datatype) {
				return nil
			}
			return m.Unkey(id)
		}
		key[i] = v
	}
	return key
}

func (p *pusher) refuse(o *outgoing, field, reason string) *Rejected {
	r := newRejected(Push, p.step.Datatype, source.Reject{Key: o.ID, Field: field, Reason: reason})
	r.Mapped = o.Data
	return r
}

func (p *pusher) reject(ctx context.Context, refused []*Rejected) error {
	if len(refused) == 0 {
		return nil
	}
	p.step.Counts.Rejected += int64(len(refused))
	writes, err := p.rejectWrites(ctx, Push, p.step.Datatype, refused)
	if err != nil {
		return err
	}
	return p.checkpoint(ctx, writes, nil)
}

// planOut writes down what a push would do.
func (p *pusher) planOut(out []*outgoing, refused []*Rejected) {
	for _, o := range out {
		c := PlannedChange{Phase: Push, Datatype: p.step.Datatype, ID: o.ID, Action: string(o.change.Op)}
		switch o.change.Op {
		case source.Create:
			p.step.Counts.Created++
			for _, name := range sortedKeys(o.change.Fields) {
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
		p.plan(c)
	}
	for _, r := range refused {
		p.step.Counts.Rejected++
		p.plan(PlannedChange{Phase: Push, Datatype: p.step.Datatype, ID: r.Key, Action: "reject", Fields: fieldOf(r.Field), Reason: r.Reason})
	}
}
