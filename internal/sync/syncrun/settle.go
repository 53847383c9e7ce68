package syncrun

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// send pushes a batch and keeps what became of it.
func (p *pusher) send(ctx context.Context, batch []*outgoing) error {
	batch, err := p.announce(ctx, batch)
	if err != nil || len(batch) == 0 {
		return err
	}
	results, failed := p.deliver(ctx, batch)
	if results == nil {
		return failed
	}
	// What is known is kept, also where the rest of the batch failed.
	return errors.Join(failed, p.keep(ctx, batch, results))
}

// keep records what became of the changes.
func (p *pusher) keep(ctx context.Context, batch []*outgoing, results []source.Result) error {
	var writes []store.Write
	known := make(map[*sentChange]bool) // changes of whose outcome nothing is left to find out
	var refused []*Rejected
	var done []int
	for i, o := range batch {
		res := results[i]
		if errors.Is(res.Err, source.ErrUnanswered) {
			continue
		}
		known[o.own] = true
		switch {
		case errors.Is(res.Err, source.ErrMoved):
			p.step.Counts.Conflicts++
			p.run.warn(fmt.Sprintf("%s: rows changed at the source meanwhile; the next pull merges them", p.step.Datatype))
			continue
		case res.Err != nil:
			refused = append(refused, p.refuse(o, "", message(res.Err)))
			if o.Links[p.def.ID].Attempt != "" { // it is known now: there is no such row
				r := stored{o.Clone(), o.rev, o.order}
				delete(r.Links, p.def.ID)
				writes = append(writes, r.write(p.records, 0))
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
		if id := rejectID(Push, p.step.Datatype, "key\x00"+o.ID); p.rejects.has(id) {
			writes = append(writes, p.rejects.clear(id))
		}
	}
	delete(known, nil)
	forget, left := p.sent.without(known)
	later := len(forget) > sentRoom
	if !later {
		writes = append(writes, forget...)
	}
	err := p.checkpoint(ctx, writes, p.invalidate)
	if errors.Is(err, store.ErrConflict) { // people went on editing what was sent
		err, later = p.settleEach(ctx, batch, results, done), true
	}
	if err == nil && later {
		err = p.forget(ctx, forget)
	}
	if err == nil {
		p.sent = left
	}
	return errors.Join(err, p.reject(ctx, refused))
}

// forget makes the writes in commits of their own. If the process dies before, the links
// have what was sent already, and a row that has it, too, shows no change.
func (p *pusher) forget(ctx context.Context, writes []store.Write) error {
	for part := range slices.Chunk(writes, sentRoom) {
		if _, err := p.h.commit(ctx, part, nil); err != nil {
			return err
		}
	}
	return nil
}

// invalidate drops the last pull's digests, for the source has something else now.
func (p *pusher) invalidate(st *state) {
	t := st.of(p.step.Datatype)
	t.Digests, t.DeletedThere = "", p.before+p.step.Counts.Deleted
}

// settle records that the source has what was sent.
func (p *pusher) settle(o *outgoing, res source.Result) ([]store.Write, error) {
	r := stored{o.Clone(), o.rev, o.order}
	var writes []store.Write
	link := record.Link{Key: o.link.Key, Held: o.link.Held}
	if !o.known {
		link.Base = o.link.Base // an attempt's: the record was edited since
		key := res.Key
		if key == nil {
			key = o.change.Key
		}
		text, err := mapping.JoinKey(key)
		if err != nil {
			return nil, fault.New(fault.Invalid, "the source gave record %q no usable key: %s", r.ID, err)
		}
		if link.Key = text; text != r.ID {
			writes = append(writes, store.Write{
				Collection: aliases(p.def.ID, p.step.Datatype), Doc: store.Doc{ID: text, Body: []byte(r.ID)}, Any: true,
			})
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
	maps.Copy(r.ExternalIDs, res.ExternalIDs)
	r.SetLink(p.def.ID, link)
	var order int64
	if link.Gone && !r.Deleted { // it is new to the source, and the next push looks at it
		order = p.clock().UnixMicro()
	}
	return append(writes, r.write(p.records, order)), nil
}

// settleEach is settle for records that changed after they were read: what was
// sent becomes their base, and the rest is for the next push.
func (p *pusher) settleEach(ctx context.Context, batch []*outgoing, results []source.Result, done []int) error {
	for _, i := range done {
		o := batch[i]
		for {
			now, err := p.readRecords(ctx, p.records, []string{o.ID})
			if err != nil {
				return err
			}
			if now[0].Record == nil {
				break
			}
			next := *o
			next.stored = now[0]
			writes, err := p.settle(&next, results[i])
			if err != nil {
				return err
			}
			if now[0].Version != o.Version && o.change.Op != source.Delete {
				sent, err := record.Canonical(o.sent)
				if err != nil {
					return err
				}
				r := stored{now[0].Clone(), now[0].rev, now[0].order}
				link := record.Link{Key: p.keyOf(o, results[i]), Base: sent, Held: o.link.Held}
				maps.Copy(r.ExternalIDs, results[i].ExternalIDs)
				r.SetLink(p.def.ID, link)
				writes[len(writes)-1] = r.write(p.records, 0)
			}
			err = p.checkpoint(ctx, writes, p.invalidate)
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
