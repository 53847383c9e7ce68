package run

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// send pushes a batch and records the outcome of each change.
//
// The store and the source cannot commit together, so a process may die between the push
// and the checkpoint. Then the source has changes that no record knows of. The next push
// sends the same updates and deletions again, which changes nothing; and creations are
// recognised by their keys or by their attempts.
func (p *pusher) send(ctx context.Context, batch []*outgoing) error {
	batch, err := p.announce(ctx, batch)
	if err != nil || len(batch) == 0 {
		return err
	}
	changes := make([]source.Change, len(batch))
	for i, o := range batch {
		changes[i] = o.change
	}
	results, err := p.e.source.Push(ctx, p.mapper.Spec(), changes)
	if err != nil {
		return fmt.Errorf("push %s: %w", p.step.Datatype, err)
	}
	if len(results) != len(batch) {
		return fmt.Errorf("push %s: %d results for %d changes", p.step.Datatype, len(results), len(batch))
	}
	var writes []store.Write
	var refused []*Rejected
	var done []int
	for i, o := range batch {
		res := results[i]
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
		if id := rejectIDOf(definition.Push, p.step.Datatype, o.ID); p.rejects.known[id] {
			writes = append(writes, p.rejects.clear(id))
		}
	}
	err = p.e.checkpoint(ctx, writes, p.pushed)
	if errors.Is(err, store.ErrConflict) { // somebody edited a record while it was sent
		err = p.settleEach(ctx, batch, results, done)
	}
	return errors.Join(err, p.reject(ctx, refused))
}

// pushed notes that the source no longer has what the last pull saw.
func (p *pusher) pushed(st *syncState) {
	t := st.of(p.step.Datatype)
	t.Digests, t.DeletedThere = "", p.before+p.step.Counts.Deleted
}

// settle returns the writes that record that the source has what was sent. From then on
// the link has no base, because both sides agree; unless fields are held, or the record
// was edited after its creation was first sent.
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
	} else if len(link.Held) > 0 {
		base, err := record.Canonical(o.sent)
		if err != nil {
			return nil, err
		}
		link.Base = base
	}
	maps.Copy(next.ExternalIDs, res.ExternalIDs)
	next.SetLink(p.def.ID, link)
	return append(writes, p.records.Replace(o.StoredRecord, next, 0)), nil
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
			err = p.e.checkpoint(ctx, writes, p.pushed)
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrConflict) {
				return err
			}
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
