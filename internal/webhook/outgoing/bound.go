package outgoing

import (
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// The deliveries that wait for a target are bounded. Of a list these are the delivery under
// way, the newest version, and the retries that people requested. An occurrence replaces no
// other, so many more may wait. The functions here only change the target in memory, and take
// effect in the commit that writes it.

const (
	// KeptDeliveries is the most deliveries of a list's target that are kept, delivered or
	// not, and the most delivered ones of any target.
	KeptDeliveries = 100
	// KeptOccurrences is the most occurrences that wait for a target.
	KeptOccurrences = 10_000
)

// most returns the number of deliveries that may wait for the target.
func (t *Target) most() int64 {
	if len(t.Types) > 0 {
		return KeptOccurrences
	}
	return KeptDeliveries
}

// dropsAtOnce bounds a commit. The next one drops the rest.
const dropsAtOnce = 50

// replaceable reports whether a newer version may replace Newest: Newest waits, it is the
// last delivery, and it is not being sent. After a retry, the copy is the last delivery: a
// newer version then gets its own number, because it must be delivered after the copy.
func (t *Target) replaceable(now time.Time) bool {
	return t.Newest >= t.Head && t.Newest == t.Next-1 && (t.Newest > t.Head || clock.Over(t.LeaseUntil, now, leaseTime))
}

// add takes the next number, and returns the deletions of the deliveries that are too many.
func (t *Target) add(now time.Time) []store.Write {
	t.Next++
	if made := t.Next - KeptDeliveries - 1; made > 0 && made < t.Head {
		return t.deletions(made, made+1)
	}
	return t.drop(now)
}

// drop drops the oldest deliveries if too many wait, and returns their deletions. It drops
// nothing while a delivery is under way, because that is the oldest.
func (t *Target) drop(now time.Time) []store.Write {
	if t.Waiting() <= t.most() || !clock.Over(t.LeaseUntil, now, leaseTime) {
		return nil
	}
	first := t.Head
	t.Head = min(t.Next-t.most(), first+dropsAtOnce)
	t.Dropped += t.Head - first
	t.LeaseUntil = time.Time{} // makes the commit of a sender fail whose lease has expired: its delivery is dropped
	return t.deletions(first, t.Head)
}

func (t *Target) deletions(from, to int64) (writes []store.Write) {
	for n := from; n < to; n++ {
		writes = append(writes, store.Write{Collection: deliveriesOf(t.ID), Doc: store.Doc{ID: deliveryID(n)}, Delete: true, Any: true})
	}
	return writes
}
