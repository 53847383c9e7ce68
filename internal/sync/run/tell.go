package run

import (
	"context"
	"net/url"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// teller writes occurrences of the records that each part of a page changes. The zero teller
// writes none.
type teller struct {
	outbox   *occurrence.Outbox
	org, typ string
	records  store.Collection
	changed  map[string]occurrence.Changed // by the record's id
	at       time.Time
}

// newTeller returns the teller of a page.
func (p *puller) newTeller(ctx context.Context, changed []occurrence.Changed) teller {
	o := p.e.svc.o.Outbox
	if len(changed) == 0 || !o.Wants(ctx, occurrence.Records, occurrence.EntityOf(p.def.OrgID, p.step.Datatype)) {
		return teller{}
	}
	t := teller{o, p.def.OrgID, p.step.Datatype, p.records.collection, make(map[string]occurrence.Changed, len(changed)), p.planner.Now}
	for _, c := range changed {
		t.changed[c.ID] = c
	}
	return t
}

// reserve returns the most writes that it adds to a part.
func (t teller) reserve() int {
	if t.changed == nil {
		return 0
	}
	return occurrence.MostRecordWrites
}

// of returns the change that a write makes.
func (t teller) of(w store.Write) (c occurrence.Changed, ok bool) {
	if w.Collection == t.records {
		c, ok = t.changed[w.Doc.ID]
	}
	return c, ok
}

// bytes returns the most bytes that it adds to a part because of the write.
func (t teller) bytes(w store.Write) int {
	if _, ok := t.of(w); ok {
		return occurrence.RecordBytes(w.Doc.ID)
	}
	return 0
}

// writes returns the writes that it adds to a part.
func (t teller) writes(ctx context.Context, part []store.Write) []store.Write {
	var changed []occurrence.Changed
	for _, w := range part {
		if c, ok := t.of(w); ok {
			changed = append(changed, c)
		}
	}
	return t.outbox.RecordWrites(ctx, t.org, t.typ, changed, t.at)
}

func idsOf(changed []occurrence.Changed) []string {
	ids := make([]string, len(changed))
	for i, c := range changed {
		ids[i] = c.ID
	}
	return ids
}

// mostRunBytes is the most bytes of a run that its occurrence carries. A larger run is sent
// without its steps and warnings, and with its first error only.
const mostRunBytes = 64 << 10

// ended returns the write that tells of a run that failed or rejected rows, for the commit
// that ends it.
func ended(ctx context.Context, o *occurrence.Outbox, r *Run) []store.Write {
	typ := occurrence.RunFailed
	switch r.State {
	case Failed:
	case Partial:
		typ = occurrence.RunPartial
	default:
		return nil
	}
	if !o.Wants(ctx, typ, r.SyncID) {
		return nil
	}
	shown := *r.Shown()
	shown.Plan = nil
	data := mustJSON(shown)
	if len(data) > mostRunBytes {
		shown.Results, shown.Warnings, shown.Errors = []*Step{}, []string{}, shown.Errors[:min(1, len(shown.Errors))]
		data = mustJSON(shown)
	}
	return o.Writes(ctx, occurrence.Occurrence{
		ID: r.ID, Type: typ, Source: "/sync/" + url.PathEscape(r.SyncID), Subject: r.SyncID, Time: r.FinishedAt, Data: data,
	})
}
