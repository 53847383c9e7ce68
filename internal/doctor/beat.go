package doctor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// Beats store the times at which periodic work was done, so that an examination notices when
// nothing calls for it any more. A beat that is lost makes the work look older than it is, and
// the next one corrects that. So failures to store one are ignored, and no work waits longer
// than beatTime for it.
type Beats struct {
	Docs store.Docs
	Now  func() time.Time

	mu   sync.Mutex
	kept map[string]time.Time // when this process kept the latest one
}

const (
	// beatEvery is the least time between two beats of one name that a process keeps: each is a
	// write.
	beatEvery = 30 * time.Second
	// beatsKept is the number of times that are kept: enough to tell the usual interval.
	beatsKept = 6
	beatTime  = 2 * time.Second
)

var beatDocs = store.Collection{Kind: "state", Scope: "beats"}

// beatDoc has the times, the latest last.
type beatDoc struct {
	At []time.Time `json:"at"`
}

// Beat stores that the work of this name was done now. Its failure must not fail the work, and
// nobody is told: the next beat is soon, and a report that misses one shows the store's trouble itself.
func (b *Beats) Beat(ctx context.Context, name string) {
	now := b.Now().UTC().Truncate(time.Microsecond)
	b.mu.Lock()
	last, known := b.kept[name]
	if known && now.Sub(last) < beatEvery && !now.Before(last) {
		b.mu.Unlock()
		return
	}
	if b.kept == nil {
		b.kept = make(map[string]time.Time)
	}
	b.kept[name] = now
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	at, err := readBeats(ctx, b.Docs, name)
	if err != nil {
		return
	}
	at = append(slices.DeleteFunc(at, func(t time.Time) bool { return t.After(now) }), now) // a clock that was ahead set the others
	body, _ := json.Marshal(beatDoc{at[max(0, len(at)-beatsKept):]})
	_, _ = b.Docs.Commit(ctx, []store.Write{{Collection: beatDocs, Doc: store.Doc{ID: beatID(name), Body: body}, Any: true}})
}

// Late returns when the work of this name was done last, and whether that is too long ago. Work
// that was never done is not late: a deployment may have just begun.
func (b *Beats) Late(ctx context.Context, name string) (last time.Time, late bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	at, err := readBeats(ctx, b.Docs, name)
	if err != nil || len(at) == 0 {
		return last, false, err
	}
	_, _, missed := lateness(at, b.Now())
	return at[len(at)-1], missed > 0, nil
}

// lateness returns how long ago the last beat was, the usual interval, and the number of
// intervals by which the next one is late; 0 if that is no reason to worry.
func lateness(at []time.Time, now time.Time) (age, usual time.Duration, late int) {
	age = max(0, now.Sub(at[len(at)-1]))
	usual = max(cmp.Or(interval(at), everyMinute), beatEvery)
	if late = int(age/usual) - 1; late >= lateAfter && age > lateAfter*everyMinute {
		return age, usual, late
	}
	return age, usual, 0
}

// beatID returns the id of a document for a name of any length.
func beatID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func readBeats(ctx context.Context, docs store.Docs, name string) ([]time.Time, error) {
	found, err := docs.Get(ctx, beatDocs, []string{beatID(name)})
	if err != nil || found[0] == nil {
		return nil, err
	}
	var d beatDoc
	_ = json.Unmarshal(found[0].Body, &d) // a damaged one counts as none
	return d.At, nil
}

// interval returns the usual time between beats: the median; 0 if fewer than two are known.
func interval(at []time.Time) time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, at[i].Sub(at[i-1]))
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}
