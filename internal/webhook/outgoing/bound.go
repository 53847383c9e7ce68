package outgoing

import (
	"log/slog"
	"slices"
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

// add takes the next number, and returns the deletions of the deliveries that are too many:
// those that wait, and those that were delivered.
func (t *Target) add(now time.Time) []store.Write {
	t.Next++
	return distinct(append(t.drop(now), t.forget(t.Next)...))
}

// forget forgets the oldest deliveries that were made if they are too many, but none from
// number keep on, and returns their deletions. The targets of earlier releases have no Oldest,
// and of those only the last may be stored.
func (t *Target) forget(keep int64) []store.Write {
	finished := t.Head - KeptDeliveries
	if len(t.Types) == 0 {
		finished = min(t.Head, t.Next-KeptDeliveries)
	}
	if t.Oldest == 0 {
		t.Oldest = max(1, t.Next-1-KeptDeliveries)
	}
	from := t.Oldest
	t.Oldest = max(from, min(finished, keep, from+dropsAtOnce))
	return t.deletions(from, t.Oldest)
}

// tellEvery is the time between two lines about deliveries that a target loses: a URL that is
// down for weeks may lose one with each occurrence.
const tellEvery = time.Hour

// lose counts deliveries that are dropped. Where a line of the log is due, DroppedAt changes.
func (t *Target) lose(n int64, now time.Time) {
	t.Dropped += n
	if now.Sub(t.DroppedAt).Abs() >= tellEvery {
		t.DroppedAt = now
	}
}

// tellDropped logs that the target has lost deliveries, if a line is due since before.
func (t *Target) tellDropped(log *slog.Logger, before time.Time, why string) {
	if !t.DroppedAt.Equal(before) {
		log.Warn("deliveries of a webhook are dropped: "+why, "id", t.ID, "kept", t.most(), "keptFor", KeptFor, "dropped", t.Dropped)
	}
}

const (
	tooMany = "more wait than can be kept"
	tooLong = "they waited until they expired"
)

// drop drops the oldest deliveries if too many wait, and returns their deletions. It does not
// drop a delivery that is under way, but those after it.
func (t *Target) drop(now time.Time) (writes []store.Write) {
	n := min(t.Waiting()-t.most(), dropsAtOnce)
	if n <= 0 {
		return nil
	}
	t.lose(n, now)
	if !clock.Over(t.LeaseUntil, now, leaseTime) {
		first := max(t.Head+1, t.Resume)
		t.Resume = first + n
		return t.deletions(first, t.Resume)
	}
	t.LeaseUntil = time.Time{} // makes the commit of a sender fail whose lease has expired: its delivery is dropped
	for range n {
		writes = append(writes, t.deletions(t.Head, t.Head+1)...)
		t.pass(t.Head)
	}
	return writes
}

func (t *Target) deletions(from, to int64) (writes []store.Write) {
	for n := from; n < to; n++ {
		writes = append(writes, store.Write{Collection: deliveriesOf(t.ID), Doc: store.Doc{ID: deliveryID(n)}, Delete: true, Any: true})
	}
	return writes
}

// distinct leaves each deletion of a delivery once: one that was dropped is forgotten later.
func distinct(writes []store.Write) []store.Write {
	type name struct {
		collection store.Collection
		id         string
	}
	seen := map[name]bool{}
	return slices.DeleteFunc(writes, func(w store.Write) bool {
		n := name{w.Collection, w.Doc.ID}
		again := w.Delete && seen[n]
		seen[n] = true
		return again
	})
}
