package syncrun

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// An answer to a creation can be lost. Where the source chooses the keys, no pull can tell
// which row the record became (where it can, see sent.go). So the attempt is kept with the
// record before it is sent, and the source is asked what became of it before anything is
// pulled.

// attempt names a change: the same record at the same version to the same sync.
func attempt(syncID string, r stored) string {
	sum := sha256.Sum256([]byte(syncID + "\x00" + r.ID + "\x00" + strconv.FormatInt(r.Version, 10)))
	return hex.EncodeToString(sum[:16])
}

// again is a creation that was sent before, exactly as it was then: the source
// knows the attempt, and answers with the row that it made of it if it did. What
// changed here since goes out afterwards.
func (p *pusher) again(r stored, link record.Link) (*outgoing, *Rejected, error) {
	sent := link.Base
	if sent == nil {
		sent = r.Data
	}
	data, err := record.Decode(sent)
	if err != nil {
		return nil, nil, err
	}
	o := &outgoing{stored: r, link: record.Link{Base: link.Base}, sent: data}
	fields, reject := p.mapper.Unmap(data)
	if reject != nil {
		return nil, p.refuse(o, reject.Field, reject.Reason), nil
	}
	o.change = source.Change{
		Op: source.Create, ID: r.ID, ExternalIDs: r.ExternalIDs, Fields: fields, Key: p.newKey(r.ID, fields), Attempt: link.Attempt,
	}
	return o, nil, nil
}

// announce keeps what the batch is about to send, and the attempts of creations by whose
// key the record could not be found again. It returns the batch without what changed
// since it was read: that has a later place, and its turn comes.
func (p *pusher) announce(ctx context.Context, batch []*outgoing) ([]*outgoing, error) {
	for {
		keep, next, err := p.sent.with(batch, p.fields)
		if err != nil {
			return nil, err
		}
		var writes []store.Write
		var at []*outgoing
		for _, o := range batch {
			if o.change.Op != source.Create || o.Links[p.def.ID].Attempt != "" || o.findable() {
				continue
			}
			r := stored{o.Clone(), o.rev, o.order}
			r.SetLink(p.def.ID, record.Link{Attempt: o.change.Attempt})
			writes, at = append(writes, r.write(p.records, 0)), append(at, o)
		}
		var revs []string
		if len(writes) > 0 {
			revs, err = p.commit(ctx, writes, func(st *state) { st.of(p.step.Datatype).Doubt = true })
		}
		for _, w := range keep { // one, as a rule
			if err == nil {
				_, err = p.h.commit(ctx, []store.Write{w}, nil)
			}
		}
		if err == nil {
			p.sent = next
			for i, o := range at {
				o.stored = stored{o.Clone(), revs[i], o.order}
				o.SetLink(p.def.ID, record.Link{Attempt: o.change.Attempt})
			}
			return batch, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
		if batch, err = p.unchanged(ctx, batch); err != nil {
			return nil, err
		}
	}
}

// findable is whether a pull would know the new row for this record.
func (o *outgoing) findable() bool {
	if o.change.Key == nil {
		return false
	}
	key, err := mapping.JoinKey(o.change.Key)
	return err == nil && key == o.ID
}

// unchanged returns those of the batch that are as they were read.
func (p *pusher) unchanged(ctx context.Context, batch []*outgoing) ([]*outgoing, error) {
	ids := make([]string, len(batch))
	for i, o := range batch {
		ids[i] = o.ID
	}
	now, err := p.readRecords(ctx, p.records, ids)
	if err != nil {
		return nil, err
	}
	var same []*outgoing
	for i, o := range batch {
		if now[i].Record != nil && now[i].rev == o.rev {
			same = append(same, o)
		}
	}
	return same, nil
}
