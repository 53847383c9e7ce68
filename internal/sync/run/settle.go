package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
)

// send pushes a batch and records the outcome of each change.
//
// The store and the source cannot commit together, so a process may die between the push
// and the checkpoint. Then the source has changes that no record knows of. announce has
// stored them before, so that a pull does not take them for the source's own.
func (p *pusher) send(ctx context.Context, batch []*outgoing) error {
	batch, err := p.announce(ctx, batch)
	if err != nil || len(batch) == 0 {
		return err
	}
	results, failed := p.deliver(ctx, batch)
	if results == nil {
		return failed
	}
	// The outcomes that are known are recorded, also where the rest of the batch failed.
	return errors.Join(failed, p.keep(ctx, batch, results))
}

// keep records the outcome of each change.
func (p *pusher) keep(ctx context.Context, batch []*outgoing, results []source.Result) error {
	var writes []store.Write
	known := make(map[*plan.SentChange]bool) // changes whose outcome is settled
	var refused []*Rejected
	var done []int
	for i, o := range batch {
		res := results[i]
		// The source may have the change or not. Its batch stays stored, so that a pull that finds
		// the values takes them for ours. The link stays as it is, so that a later push sends the
		// change again.
		if errors.Is(res.Err, source.ErrUnanswered) {
			continue
		}
		known[o.own] = true
		switch {
		case errors.Is(res.Err, source.ErrMoved): // the record keeps its base, so it is pushed again later
			p.step.Counts.Conflicts++
			p.run.warn(fmt.Sprintf("%s: rows changed at the source meanwhile; the next pull merges them", p.step.Datatype))
			continue
		case res.Err != nil:
			refused = append(refused, p.refuse(o, "", Explain(res.Err)))
			if o.Links[p.def.ID].Attempt != "" { // the outcome is known now: there is no such row
				next := o.Clone()
				delete(next.Links, p.def.ID)
				writes = append(writes, p.records.Replace(o.StoredRecord, next, 0))
			}
			continue
		}
		switch o.change.Op {
		case source.Create:
			p.step.Counts.Created++
		case source.Update:
			p.step.Counts.Updated++
		case source.Delete:
			p.step.Counts.Deleted++
		}
		w, err := p.settle(o, res)
		if err != nil {
			return err
		}
		writes, done = append(writes, w...), append(done, i)
		for _, c := range o.doubts {
			known[c] = true
		}
		if id := rejectIDOf(definition.Push, p.step.Datatype, o.ID); p.rejects.known[id] {
			writes = append(writes, p.rejects.clear(id))
		}
	}
	delete(known, nil)
	forget, left := p.sent.without(known)
	later := len(forget) > sentRoom
	if !later {
		writes = append(writes, forget...)
	}
	// It is one commit, so that a pull never finds a value that neither the link nor the stored
	// batch explains. Batches that are too many for it are dropped after it: until then both
	// explain the value, which does no harm.
	err := p.e.checkpoint(ctx, writes, p.invalidate)
	if errors.Is(err, store.ErrConflict) { // somebody edited a record while it was sent
		err, later = p.settleEach(ctx, batch, results, done), true
	}
	if err == nil && later {
		err = p.dropSent(ctx, forget)
	}
	if err == nil {
		p.sent = left
	}
	return errors.Join(err, p.reject(ctx, refused))
}

// dropSent makes the writes in commits of their own. If the process dies before that, the
// links already have what was sent, and a row that has it as well shows no change.
func (p *pusher) dropSent(ctx context.Context, writes []store.Write) error {
	for part := range slices.Chunk(writes, sentRoom) {
		if _, err := p.e.lease.commit(ctx, part, nil); err != nil {
			return err
		}
	}
	return nil
}

// invalidate drops the last pull's digests, because the source has something else now, and
// notes how much was deleted there.
func (p *pusher) invalidate(st *syncState) {
	t := st.datatype(p.step.Datatype)
	t.Digests, t.DeletedThere = "", p.before+p.step.Counts.Deleted
}

// settle returns the writes that record that the source has what was sent. From then on
// the link has no base, because both sides agree; unless the source did not get all
// fields, or the record was edited after its creation was first sent.
func (p *pusher) settle(o *outgoing, res source.Result) ([]store.Write, error) {
	next := o.Clone()
	var writes []store.Write
	link := record.Link{Key: o.link.Key, Held: o.link.Held}
	if !o.known {
		link.Base = o.link.Base // of an attempt, whose record was edited since
		key := res.Key
		if key == nil {
			key = o.change.Key
		}
		text, err := mapping.JoinKey(key)
		if err != nil {
			return nil, fault.New(fault.Invalid, "the source gave record %q no usable key: %s", o.ID, err)
		}
		if link.Key = text; text != o.ID {
			writes = append(writes, p.records.alias(text, o.ID))
		}
	}
	if o.change.Op == source.Delete {
		link.Gone, link.Held = true, nil
	} else if len(link.Held) > 0 || o.part {
		base, err := record.Canonical(o.sent)
		if err != nil {
			return nil, err
		}
		link.Base = base
	}
	maps.Copy(next.ExternalIDs, res.ExternalIDs)
	next.SetLink(p.def.ID, link)
	var order int64
	if link.Gone && !next.Deleted { // it is new to the source: the next push has to look at it
		order = p.e.svc.clock().UnixMicro()
	}
	return append(writes, p.records.Replace(o.StoredRecord, next, order)), nil
}

// settleEach settles records one by one, because some changed after they were read. Of
// those, what was sent becomes the base: the edits since then differ from it, so that the
// next push sends them.
func (p *pusher) settleEach(ctx context.Context, batch []*outgoing, results []source.Result, done []int) error {
	for _, i := range done {
		o := batch[i]
		for {
			now, err := p.records.read(ctx, []string{o.ID})
			if err != nil {
				return err
			}
			if now[0].Record == nil {
				break
			}
			edited := *o
			edited.StoredRecord = now[0]
			writes, err := p.settle(&edited, results[i])
			if err != nil {
				return err
			}
			if now[0].Version != o.Version && o.change.Op != source.Delete {
				sent, err := record.Canonical(o.sent)
				if err != nil {
					return err
				}
				next := now[0].Clone()
				maps.Copy(next.ExternalIDs, results[i].ExternalIDs)
				next.SetLink(p.def.ID, record.Link{Key: p.keyOf(o, results[i]), Base: sent, Held: o.link.Held})
				writes[len(writes)-1] = p.records.Replace(now[0], next, 0)
			}
			err = p.e.checkpoint(ctx, writes, p.invalidate)
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrConflict) {
				return err
			}
			// It was edited once more, and is read again. A lost lease is another error.
		}
	}
	return nil
}

func (p *pusher) keyOf(o *outgoing, res source.Result) string {
	if o.known {
		return o.link.Key
	}
	key := res.Key
	if key == nil {
		key = o.change.Key
	}
	text, err := mapping.JoinKey(key)
	if err != nil {
		return o.ID
	}
	return text
}
