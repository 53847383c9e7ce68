package outgoing

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// batch collects the deliveries of occurrences that one commit adds. The commit also notes in
// each occurrence which targets have it, or deletes it if all have. So a target gets one
// delivery of it, wherever a process dies, and however many processes do this at once.
type batch struct {
	limits store.Limits
	pairs  int // further deliveries that may be added
	now    time.Time

	targets map[string]*Target   // as they become, by their documents' ids
	before  map[string]time.Time // when each had dropped deliveries
	writes  []store.Write        // of everything but the targets
	size    int                  // of all bodies
	expired []*occurrence.Entry
}

func newBatch(limits store.Limits, pairs int, now time.Time) *batch {
	return &batch{limits: limits, pairs: pairs, now: now, targets: map[string]*Target{}, before: map[string]time.Time{}}
}

// mostWritesOfPair bounds the writes for one delivery: it, its target, its occurrence, and the
// deletions of deliveries that are too many.
const mostWritesOfPair = 3 + 2*dropsAtOnce

// room reports whether the commit takes one more delivery with this many bytes. An empty one
// takes any.
func (b *batch) room(size int) bool {
	if len(b.writes) == 0 {
		return true
	}
	return b.pairs > 0 && len(b.writes)+len(b.targets)+mostWritesOfPair <= b.limits.MaxCommit && b.size+size <= b.limits.MaxCommitBytes
}

func (b *batch) write(all ...store.Write) {
	for _, w := range all {
		b.size += len(w.Doc.Body)
	}
	b.writes = append(b.writes, all...)
}

// take adds what becomes of the occurrence. all reports whether there was room for all of it.
func (b *batch) take(e *occurrence.Entry, p *pass, targets []*Target) (all bool) {
	switch {
	case !b.room(0):
		return false
	case expired(e, b.now):
		b.expired = append(b.expired, e)
		b.write(e.Delete())
	case p.stuck[e.DocID()]:
		b.write(postponed(e, b.now).Write())
	default:
		return b.give(e, p.wanting(e, targets))
	}
	return true
}

// give adds a delivery of the occurrence for each target, in the order of their documents.
// all reports whether there was room for all of them.
func (b *batch) give(e *occurrence.Entry, wanting []*Target) (all bool) {
	noted, entry := *e, len(list.Encode(e))
	for i, t := range wanting {
		// The occurrence is in the delivery, and perhaps written once more.
		if !b.room(2*entry + 2*len(t.write().Doc.Body) + 1000) {
			if i > 0 {
				b.write(noted.Write())
			}
			return false
		}
		b.add(t, e)
		noted.After = t.docID()
	}
	b.write(e.Delete())
	return true
}

// add adds the target's delivery of the occurrence.
func (b *batch) add(t *Target, e *occurrence.Entry) {
	id := t.docID()
	next := b.targets[id]
	if next == nil {
		copied := *t
		next = &copied
		b.targets[id], b.before[id] = next, t.DroppedAt
		b.size += len(t.write().Doc.Body)
	}
	d := &Delivery{N: next.Next, WebhookID: e.ID, Occurrence: &e.Occurrence, CreatedAt: b.now, State: Waits}
	b.write(next.add(b.now)...)
	b.write(d.write(next))
	b.pairs--
}

// commit commits the batch.
func (s *Service) commit(ctx context.Context, b *batch) error {
	writes := distinct(b.writes)
	for _, id := range slices.Sorted(maps.Keys(b.targets)) {
		writes = append(writes, b.targets[id].write())
	}
	if _, err := s.docs.Commit(ctx, writes); err != nil {
		return err
	}
	if len(b.expired) > 0 {
		e := b.expired[0]
		s.log.Warn("occurrences are dropped: they waited for too long to be given to their webhooks",
			"dropped", len(b.expired), "waited", KeptFor, "type", e.Type, "occurrence", e.ID, "tries", e.Tries)
	}
	for id, t := range b.targets {
		t.tellDropped(s.log, b.before[id], tooMany)
	}
	if len(b.targets) > 0 {
		s.changed()
		wake(s.kick)
	}
	return nil
}
