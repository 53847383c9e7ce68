package run

import (
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
)

// outgoing returns the change to send for the record; nil: there is none.
func (p *pusher) outgoing(r StoredRecord) (*outgoing, *Rejected, error) {
	if p.later[r.ID] {
		return nil, nil, nil
	}
	if l := r.Links[p.def.ID]; l.Attempt != "" {
		return p.resend(r, l)
	}
	if p.step.Settle {
		return nil, nil, nil
	}
	link, known := r.Link(p.def.ID)
	known = known && !link.Gone
	sent := p.sent.Of(r.ID)
	// Without a base, and if nothing that was sent is in doubt, the source has what the
	// record has. A deleted record needs nothing if it never was a row there, or if a
	// person has yet to decide about it.
	if known && link.Base == nil && !r.Deleted && sent == nil || r.Deleted && (!known && sent == nil || slices.Contains(link.Held, plan.HeldDeletion)) {
		return nil, nil, nil
	}
	ours, err := record.Decode(r.Data)
	if err != nil {
		return nil, nil, err
	}
	ours, named := p.asThere(ours)
	base := ours
	if link.Base != nil {
		if base, err = record.Decode(link.Base); err != nil {
			return nil, nil, err
		}
		base, _ = p.asThere(base)
	}
	o := &outgoing{StoredRecord: r, link: link, known: known, sent: ours, part: named}
	o.change = source.Change{ID: r.ID, ExternalIDs: r.ExternalIDs, Attempt: attempt(p.def.ID, r)}
	if r.Deleted {
		return p.deletion(o, base), nil, nil
	}
	fields, reject := p.mapper.Unmap(ours)
	if reject != nil {
		return nil, p.refuse(o, reject.Field, reject.Reason), nil
	}
	o.change.Fields = fields
	if !known {
		o, reject := p.creation(o, ours)
		return o, reject, nil
	}
	return p.update(o, base, ours, sent), nil, nil
}

// deletion makes the change a deletion.
func (p *pusher) deletion(o *outgoing, base map[string]any) *outgoing {
	if !o.known { // we may have created the row before the record was deleted
		o.link.Key = o.ID
	}
	o.change.Op, o.change.Key = source.Delete, p.mapper.Unkey(o.link.Key)
	// Nobody knows what the source made of a creation in doubt. If no pull will tell, the
	// row is deleted as it is.
	if o.known && !o.link.Unseen || p.def.Pulls() {
		o.change.Expect = p.expect(o, base)
	}
	return o
}

// update makes the change an update; nil: no column of the row changes. Fields in doubt are
// sent as well: the row may have other values than the base.
func (p *pusher) update(o *outgoing, base, ours map[string]any, sent []*plan.SentChange) *outgoing {
	kept := slices.Concat(o.link.Held, p.mapper.Own(ours), p.mapper.Own(base))
	o.fields = slices.DeleteFunc(p.unsettled(base, ours, sent), func(f string) bool { return slices.Contains(kept, f) })
	columns := p.mapper.ColumnsOf(o.fields)
	if len(columns) == 0 {
		return nil
	}
	o.change.Op, o.change.Key, o.change.Changed = source.Update, p.mapper.Unkey(o.link.Key), columns
	o.change.Expect = p.expect(o, base)
	o.keep(kept, base)
	return o
}

// creation makes the change a creation; nil: the source does not get the record.
func (p *pusher) creation(o *outgoing, ours map[string]any) (*outgoing, *Rejected) {
	o.change.Op, o.change.Key = source.Create, p.mapper.NewKey(p.e.source, o.ID, o.change.Fields)
	o.change.Lacking = p.mapper.Lacking(ours)
	if reject := p.inherit(o, ours); reject != nil {
		return nil, reject
	}
	if s, ok := p.e.source.(source.Selector); ok && !s.Takes(p.step.Datatype, o.change) {
		return nil, nil
	}
	o.keep(p.mapper.Own(ours), nil)
	return o, nil
}

// keep notes that the source does not get these fields: it has what it had before.
func (o *outgoing) keep(fields []string, before map[string]any) {
	if len(fields) == 0 {
		return
	}
	ours := o.sent
	o.sent = maps.Clone(ours)
	for _, f := range fields {
		if v, ok := before[f]; ok {
			o.sent[f] = v
		} else {
			delete(o.sent, f)
		}
	}
	o.part = o.part || len(record.Diff(o.sent, ours, nil)) > 0
}
