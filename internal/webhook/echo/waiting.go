package echo

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// What waits for a target is bounded: the delivery under way, the newest version, and
// what people asked for once more. All of it is decided in the commit that writes the
// target, on what the target itself says, so a change costs no more where much waits.

// fanOut gives every target of the list a delivery of its newest version.
func (s *Service) fanOut(ctx context.Context, list string) error {
	for {
		l, err := s.readList(ctx, list)
		if err != nil || l.Fanned >= l.Version {
			return err
		}
		err = s.eachTarget(ctx, list, func(t *Target) error { return s.enqueue(ctx, t, l) })
		if err != nil {
			return err
		}
		l.Fanned = l.Version
		if _, err := s.docs.Commit(ctx, []store.Write{l.write()}); !errors.Is(err, store.ErrConflict) {
			return fault.StoreAway(err)
		} // it changed meanwhile: once more
	}
}

// enqueue gives the target a delivery of the list's version, unless it has one. The
// version takes the place of an earlier one that waits, so what waits does not grow with
// the changes. It needs no look at what waits: the target says enough.
func (s *Service) enqueue(ctx context.Context, t *Target, l *List) error {
	for t.Version < l.Version {
		now := s.now()
		d := &Delivery{N: t.Next, WebhookID: "msg_" + s.o.Random(), List: l.ID, Version: l.Version, Data: l.Data, CreatedAt: now, State: Waits}
		next := *t
		next.Version = l.Version
		var writes []store.Write
		if t.replaceable(now) {
			d.N = t.Newest
			writes = next.drop(now)
			next.Replaced++
			d.Replaced = next.Replaced
			// A sender whose lease is over must not take what it sent for this version: it
			// finds that the lease is no more its own.
			if t.Newest == t.Head {
				next.LeaseUntil = time.Time{}
			}
		} else {
			next.Replaced = 0
			writes = next.add(now)
			next.Newest = d.N
		}
		_, err := s.docs.Commit(ctx, append(writes, d.numbered(t), next.write()))
		if err == nil && next.Dropped > 0 && t.Dropped == 0 {
			s.o.Log.Warn("deliveries of a webhook are dropped: more wait than are kept", "id", t.ID, "kept", KeptDeliveries, "dropped", next.Dropped)
		}
		if !errors.Is(err, store.ErrConflict) {
			return fault.StoreAway(err)
		}
		if t, err = s.readTarget(ctx, t.docID()); t == nil {
			return err // it unregistered
		}
	}
	return nil
}

// replaceable reports whether a newer version may take Newest's place: it waits, is the
// last, and nobody is sending it. A delivery that a person asked for once more is older,
// so a version that comes after it has a place of its own.
func (t *Target) replaceable(now time.Time) bool {
	return t.Newest >= t.Head && t.Newest == t.Next-1 && (t.Newest > t.Head || clock.Over(t.LeaseUntil, now, leaseTime))
}

// KeptDeliveries is how many deliveries a target has, made or not.
const KeptDeliveries = 100

// dropsAtOnce bounds a commit; what is left is dropped with the next.
const dropsAtOnce = 50

// add takes the next number and returns the deletions of what is kept no more.
func (t *Target) add(now time.Time) []store.Write {
	t.Next++
	if made := t.Next - KeptDeliveries - 1; made > 0 && made < t.Head {
		return t.deletions(made, made+1)
	}
	return t.drop(now)
}

// drop gives up the oldest of too many deliveries that wait, and returns their deletions.
// It drops nothing while a delivery is under way: its sender has the oldest.
func (t *Target) drop(now time.Time) []store.Write {
	if t.Waiting() <= KeptDeliveries || !clock.Over(t.LeaseUntil, now, leaseTime) {
		return nil
	}
	first := t.Head
	t.Head = min(t.Next-KeptDeliveries, first+dropsAtOnce)
	t.Dropped += t.Head - first
	t.LeaseUntil = time.Time{} // a sender whose lease is over learns from it that the delivery is no more its own
	return t.deletions(first, t.Head)
}

func (t *Target) deletions(from, to int64) (writes []store.Write) {
	for n := from; n < to; n++ {
		writes = append(writes, store.Write{Collection: deliveriesOf(t.ID), Doc: store.Doc{ID: deliveryID(n)}, Delete: true, Any: true})
	}
	return writes
}
