package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

const (
	// storeRounds is the number of times that the document is written, read and deleted: the
	// median of a few leaves out the first, which opens the connection.
	storeRounds = 3
	// slowStore is the median over which a store is slow: each event waits for such a write.
	slowStore = 500 * time.Millisecond
	// skewWarning is the difference of two clocks that a machine with a time service does not
	// have.
	skewWarning = 2 * time.Second
)

var ownDocs = store.Collection{Kind: "state", Scope: "doctor"}

// storeCheck writes, reads and deletes a document of its own.
func (e *examination) storeCheck() Check {
	return Check{Name: "the store", Code: "store", LateFix: e.Place.LookAtStore(), Do: func(ctx context.Context, found func(Finding)) {
		if e.Place.StoreMissing != "" {
			found(notChecked("store.missing", "there is no store in %s yet: the first start makes it", e.Place.StoreMissing))
			return
		}
		var took [3][]time.Duration
		for range storeRounds {
			if err := e.round(ctx, &took); err != nil {
				found(e.unwritable(err))
				return
			}
		}
		for i := range took {
			slices.Sort(took[i])
		}
		write, read, remove := took[0][storeRounds/2], took[1][storeRounds/2], took[2][storeRounds/2]
		text := fmt.Sprintf("the store takes writes: %s to write, %s to read, %s to delete a small document (median of %d)",
			short(write), short(read), short(remove), storeRounds)
		if write > slowStore {
			found(Finding{"store.slow", Warning, text + ", which is slow: each event waits for a write", e.slowFix()})
			return
		}
		found(ok("store.writable", "%s", text))
	}}
}

// round makes one round, and adds how long each step took.
func (e *examination) round(ctx context.Context, took *[3][]time.Duration) error {
	id := e.Random()
	doc := store.Doc{ID: id, Body: []byte(`{"what":"an examination writes and deletes this"}`), ExpireAt: e.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)}
	for i, step := range []func() error{
		func() error {
			_, err := e.Docs.Commit(ctx, []store.Write{{Collection: ownDocs, Doc: doc, Any: true}})
			return err
		},
		func() error {
			docs, err := e.Docs.Get(ctx, ownDocs, []string{id})
			if err == nil && docs[0] == nil {
				err = fmt.Errorf("a document that was just written cannot be read")
			}
			return err
		},
		func() error {
			_, err := e.Docs.Commit(ctx, []store.Write{{Collection: ownDocs, Doc: store.Doc{ID: id}, Delete: true, Any: true}})
			return err
		},
	} {
		began := e.Now()
		if err := step(); err != nil {
			return err
		}
		took[i] = append(took[i], e.Now().Sub(began))
	}
	return nil
}

func (e *examination) unwritable(err error) Finding {
	f := Finding{"store.unwritable", Error, "the store takes no writes: " + oneLine(err), ""}
	if e.Place.StoreAdvice == nil {
		return f
	}
	if sentence, fix := e.Place.StoreAdvice(err); sentence != "" {
		f.Text, f.Fix = "the store takes no writes: "+sentence, fix
	}
	return f
}

func (e *examination) slowFix() string {
	if e.Place.Firestore && e.Place.FirestoreEmulator == "" {
		return e.Place.LookAtStore() + " --format='value(locationId)'"
	}
	return ""
}

// clockCheck compares this machine's clock with the store's, or else with Google's.
func (e *examination) clockCheck() Check {
	return Check{Name: "the clock of the store", Code: "clock", Late: NotChecked, Do: func(ctx context.Context, found func(Finding)) {
		const code = "clock.skew"
		began := e.Machine()
		theirs, has, err := e.Store.Now(ctx)
		whose := "the store's"
		if err == nil && !has {
			if e.Place.Google == nil || !e.Place.PubSub || e.Place.PubSubEmulator != "" {
				found(notChecked(code, "the clock: this store has none to compare with"))
				return
			}
			whose = "Google Cloud's"
			began = e.Machine()
			theirs, err = e.Place.Google.Time(ctx)
		}
		if err != nil {
			found(notChecked(code, "the clock: the time could not be asked for: %s", oneLine(err)))
			return
		}
		ended := e.Machine()
		skew := ended.Add(-ended.Sub(began) / 2).Sub(theirs)
		direction := "ahead of"
		if skew < 0 {
			skew, direction = -skew, "behind"
		}
		text := fmt.Sprintf("the clock of this machine is %s %s %s", short(skew), direction, whose)
		const fix = "timedatectl set-ntp true"
		switch {
		case skew >= clock.Skew:
			found(Finding{code, Error, text + ", which is more than Headgate allows for: windows and signatures are judged by it", fix})
		case skew >= skewWarning:
			found(Finding{code, Warning, text, fix})
		default:
			found(ok(code, "%s", text))
		}
	}}
}

// short writes a duration with the precision that a person needs.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 2*time.Hour:
		return plural(int(d.Minutes()), "minute", "minutes")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour", "hours")
	}
	return plural(int(d.Hours()/24), "day", "days")
}

// plural writes a number with its noun: "1 delivery waits", "2 deliveries wait".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
