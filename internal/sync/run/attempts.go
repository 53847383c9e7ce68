package run

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

// The answer to a creation can be lost. Where the source chooses keys, the key of the new
// row says nothing about the record that it was made of, and the next pull would take it
// for a new row. So the attempt is stored with the record before it is sent. Before
// anything is pulled, it is sent again under the same name, and the source answers with
// the row that it made. Where a pull can match the two, sent.go is enough.

// attempt names a change: the same record at the same version to the same sync.
func attempt(syncID string, r StoredRecord) string {
	sum := sha256.Sum256([]byte(syncID + "\x00" + r.ID + "\x00" + strconv.FormatInt(r.Version, 10)))
	return hex.EncodeToString(sum[:16])
}

// resend rebuilds a creation of unknown outcome exactly as it was first sent: the source
// knows it by its attempt. What changed here since is pushed afterwards.
func (p *pusher) resend(r StoredRecord, link record.Link) (*outgoing, *Rejected, error) {
	sent := link.Base
	if sent == nil {
		sent = r.Data
	}
	data, err := record.Decode(sent)
	if err != nil {
		return nil, nil, err
	}
	data, named := p.asThere(data)
	o := &outgoing{StoredRecord: r, link: record.Link{Base: link.Base}, sent: data, part: named}
	fields, reject := p.mapper.Unmap(data)
	if reject != nil && link.Base != nil && !r.Deleted {
		// The mapping changed since. The source knows the creation by its name, whatever
		// values come with it; the base tells the next push what to send again.
		if o.sent, err = record.Decode(r.Data); err != nil {
			return nil, nil, err
		}
		o.sent, o.part = p.asThere(o.sent)
		fields, reject = p.mapper.Unmap(o.sent)
	}
	if reject != nil {
		return nil, p.refuse(o, reject.Field, reject.Reason), nil
	}
	o.change = source.Change{
		Op: source.Create, ID: r.ID, ExternalIDs: r.ExternalIDs, Fields: fields, Key: p.mapper.NewKey(p.e.source, r.ID, fields), Attempt: link.Attempt,
		Lacking: p.mapper.Lacking(data),
	}
	if reject := p.inherit(o, data); reject != nil {
		return nil, reject, nil
	}
	o.keep(p.mapper.Own(data), nil)
	return o, nil, nil
}

// announce stores what the batch is about to send (see sent.go), and the attempts of
// creations that a pull could not match with their records. It returns the batch without
// the records that changed since they were read: each of them has a later place in the
// order, and is pushed then.
func (p *pusher) announce(ctx context.Context, batch []*outgoing) ([]*outgoing, error) {
	for {
		keep, left, err := p.sent.with(batch, p.mapper.Fields())
		if err != nil {
			return nil, err
		}
		var writes []store.Write
		var at []*outgoing
		for _, o := range batch {
			if !p.needsAttempt(o) {
				continue
			}
			next := o.Clone()
			next.SetLink(p.def.ID, record.Link{Attempt: o.change.Attempt})
			writes, at = append(writes, p.records.Replace(o.StoredRecord, next, 0)), append(at, o)
		}
		var revs []string
		if len(writes) > 0 {
			revs, err = p.e.commit(ctx, writes, func(st *syncState) { st.datatype(p.step.Datatype).Doubt = true })
		}
		for _, w := range keep { // one document as a rule
			if err == nil {
				_, err = p.e.lease.commit(ctx, []store.Write{w}, nil)
			}
		}
		if err == nil {
			p.sent = left
			for i, o := range at {
				o.StoredRecord = StoredRecord{o.Clone(), revs[i], o.order}
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

// needsAttempt reports whether the change is a creation that a pull could not match with its
// record, and whose attempt is not stored yet.
func (p *pusher) needsAttempt(o *outgoing) bool {
	return o.change.Op == source.Create && o.Links[p.def.ID].Attempt == "" && !o.findable()
}

// findable reports whether a pull would match the new row with this record by its key.
func (o *outgoing) findable() bool {
	if o.change.Key == nil {
		return false
	}
	key, err := mapping.JoinKey(o.change.Key)
	return err == nil && key == o.ID
}

// unchanged returns those of the batch that nobody changed since they were read.
func (p *pusher) unchanged(ctx context.Context, batch []*outgoing) ([]*outgoing, error) {
	ids := make([]string, len(batch))
	for i, o := range batch {
		ids[i] = o.ID
	}
	now, err := p.records.read(ctx, ids)
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
