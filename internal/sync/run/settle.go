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

// sendAll sends the batches one after the other. The commit that records the outcome of one
// also stores what the next is about to send, unless the run has to pause before that.
func (p *pusher) sendAll(ctx context.Context, batches [][]*outgoing) error {
	for i, batch := range batches {
		if !p.ahead {
			if err := p.e.pause(ctx); err != nil {
				return err
			}
		}
		var next []*outgoing
		if i+1 < len(batches) && !slices.ContainsFunc(batches[i+1], p.needsAttempt) {
			next = batches[i+1]
		}
		if err := p.send(ctx, batch, next); err != nil {
			return err
		}
	}
	return nil
}

// send pushes a batch and records the outcome of each change.
//
// The store and the source cannot commit together, so a process may die between the push
// and the checkpoint. Then the source has changes that no record knows of. announce has
// stored them before, so that a pull does not take them for the source's own.
//
// If the source asks for a pause, send keeps what is known, waits, and sends the rest.
func (p *pusher) send(ctx context.Context, batch, next []*outgoing) error {
	for {
		var err error
		if p.ahead {
			p.ahead = false
		} else if batch, err = p.announce(ctx, batch); err != nil || len(batch) == 0 {
			return err
		}
		results, failed := p.deliver(ctx, batch)
		switch {
		case results == nil && fault.Asked(failed) == 0:
			return failed
		case results == nil:
			results = source.Unanswered(len(batch))
		}
		var left []*outgoing
		for i, o := range batch {
			if errors.Is(results[i].Err, source.ErrUnanswered) {
				left = append(left, o)
			}
		}
		if p.step.Settle && len(left) == 0 {
			failed = nil // every outcome is known, and that is all that the step is for
		}
		// The outcomes that are known are recorded, also where the rest of the batch failed.
		follows := next
		if failed != nil || p.e.pause(ctx) != nil {
			follows = nil
		}
		if err := p.keep(ctx, batch, results, follows); err != nil || failed == nil {
			return errors.Join(failed, err)
		}
		if len(left) < len(batch) {
			p.step.Waits = 0
		}
		if err := p.e.await(ctx, p.step, failed); err != nil {
			return err
		}
		batch = left
	}
}

// kept holds what the commit of a batch records.
type kept struct {
	writes  []store.Write
	known   map[*plan.SentChange]bool // changes whose outcome is settled
	refused []*Rejected
	done    []int             // whose records are written
	claimed map[string]string // the records of the batch, by the keys of their rows
}

// note adds the outcome of the i-th change.
func (p *pusher) note(ctx context.Context, k *kept, i int, o *outgoing, res source.Result) error {
	// The source may have the change or not. Its batch stays stored, so that a pull that finds
	// the values takes them for ours. The link stays as it is, so that a later push sends the
	// change again.
	if errors.Is(res.Err, source.ErrUnanswered) {
		return nil
	}
	k.known[o.own] = true
	w, reject, err := p.meet(ctx, o, res, k.claimed)
	if err != nil {
		return err
	}
	if reject != nil {
		k.writes, k.refused = append(k.writes, w...), append(k.refused, reject)
		return nil
	}
	if errors.Is(res.Err, source.ErrMoved) { // the record keeps its base, so it is pushed again later
		p.step.Counts.Conflicts++
		p.run.warn(fmt.Sprintf("%s: rows changed at the source meanwhile; the next pull merges them", p.step.Datatype))
		return nil
	}
	if res.Err == nil {
		w, res.Err = p.settle(o, res)
	}
	if res.Err != nil {
		p.refusedAt(k, i, o, res.Err)
		return nil
	}
	switch o.change.Op {
	case source.Create:
		p.step.Counts.Created++
	case source.Update:
		p.step.Counts.Updated++
	case source.Delete:
		p.step.Counts.Deleted++
	}
	k.writes, k.done = append(k.writes, w...), append(k.done, i)
	for _, c := range o.doubts {
		k.known[c] = true
	}
	k.writes = p.rejects.accepted(k.writes, definition.Push, p.step.Datatype, o.ID)
	return nil
}

// refusedAt adds a change that the source did not make.
func (p *pusher) refusedAt(k *kept, i int, o *outgoing, err error) {
	if fault.CodeOf(err) == fault.Unavailable {
		delete(k.known, o.own) // the row may have the change
		p.later[o.ID] = true
	}
	if !errors.Is(err, source.ErrNotWritten) {
		k.refused = append(k.refused, p.refuse(o, "", Explain(err)))
	}
	if w := p.release(o, err); w != nil {
		k.writes, k.done = append(k.writes, *w), append(k.done, i)
	}
}

// keep records the outcome of each change, and stores what the next batch is about to send
// if there is room for it in the commit.
func (p *pusher) keep(ctx context.Context, batch []*outgoing, results []source.Result, next []*outgoing) error {
	k := &kept{known: make(map[*plan.SentChange]bool), claimed: make(map[string]string)}
	p.made = p.step.Counts.Created
	for i, o := range batch {
		if err := p.note(ctx, k, i, o, results[i]); err != nil {
			return err
		}
	}
	delete(k.known, nil)
	forget, left := p.sent.without(k.known)
	later := len(forget) > sentRoom
	if !later {
		k.writes = append(k.writes, forget...)
	}
	told, withNext, err := left.with(next, p.mapper.Fields())
	if err != nil {
		return err
	}
	ahead := len(next) > 0 && !later && len(forget)+len(told) <= sentRoom
	if ahead {
		k.writes = append(k.writes, told...)
	}
	// It is one commit, so that a pull never finds a value that neither the link nor the stored
	// batch explains. Batches that are too many for it are dropped after it: until then both
	// explain the value, which does no harm.
	err = p.e.checkpoint(ctx, k.writes, p.invalidate)
	if errors.Is(err, store.ErrConflict) { // somebody edited a record while it was sent
		err, later, ahead = p.settleEach(ctx, batch, results, k.done), true, false
	}
	if err == nil && later {
		err = p.dropSent(ctx, forget)
	}
	if err == nil {
		p.sent, p.ahead = left, ahead
	}
	if p.ahead {
		p.sent = withNext
	}
	return errors.Join(err, p.reject(ctx, k.refused))
}

// release returns the write of a record whose change the source did not make; nil: it stays
// as it is. A creation that has an attempt is over: there is no such row. The next push
// sends the record as it is then. If the source failed at the change alone, the record gets
// a new place in the order, so that the next push looks at it even if nobody edits it.
func (p *pusher) release(o *outgoing, refused error) *store.Write {
	next, order := o.Clone(), int64(0)
	if fault.CodeOf(refused) == fault.Unavailable {
		order = p.e.svc.clock().UnixMicro()
	}
	if o.Links[p.def.ID].Attempt != "" {
		delete(next.Links, p.def.ID)
	} else if order == 0 {
		return nil
	}
	w := p.records.Replace(o.StoredRecord, next, order)
	return &w
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
	p.lookAgain(st)
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
	} else if link.Unseen = o.change.Op == source.Create && next.Deleted; len(link.Held) > 0 || o.part {
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
			var writes []store.Write
			if results[i].Err != nil {
				if w := p.release(&edited, results[i].Err); w != nil {
					writes = append(writes, *w)
				}
			} else if writes, err = p.settle(&edited, results[i]); err != nil {
				return err
			} else if now[0].Version != o.Version && o.change.Op != source.Delete {
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
