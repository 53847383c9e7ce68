package firestorestore

//lint:file-ignore SA1019 WriteBatch: see newBatch

import (
	"context"
	"math/rand/v2"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// slotRounds bounds the attempts at a commit with slots. Each attempt that fails because of a
// slot means that another instance's succeeded, so a burst of events for one slot needs more
// attempts than the plain set, where only duplicates interfere.
const slotRounds = 32

// slot is a slot while a commit is prepared.
type slot struct {
	ref     *firestore.DocumentRef
	updated time.Time      // of the stored document; zero: there is none
	holder  *store.Waiting // the event that has the slot after the commit; nil: none
	changed bool           // the commit must write the holder
}

// offer offers the slot to an event, and returns the event that loses it: the holder, the
// offered one, or none.
func (s *slot) offer(w store.Waiting, p *store.Place) (lost event.Ref) {
	if h := s.holder; h != nil {
		over := !p.Over.IsZero() && h.ReceivedAt.UnixMicro() <= p.Over.UnixMicro()
		if !over && (p.KeepFirst || h.ReceivedAt.UnixMicro() > w.ReceivedAt.UnixMicro()) {
			return w.Ref
		}
		lost = h.Ref
		if !over {
			w.First = h.First
		}
		if !over && p.HoldAt {
			w.At = h.At
		}
	}
	s.holder, s.changed = &w, true
	return lost
}

// write adds the slot's document to the commit, on the condition that the slot is as it was
// read. An event that lost needs no condition: it lost to what was read, even if a claim takes
// that event before the commit.
func (s *slot) write(b *firestore.WriteBatch) error {
	if !s.changed {
		return nil
	}
	bytes, err := packWaiting(*s.holder)
	if err != nil {
		return err
	}
	if s.updated.IsZero() {
		b.Create(s.ref, waitingDoc{bytes})
	} else {
		b.Update(s.ref, []firestore.Update{{Path: waitingField, Value: bytes}}, firestore.LastUpdateTime(s.updated))
	}
	return nil
}

// addPointers adds the pointers of the group to its commit. It reads the slots first, one
// document each, and settles between the events of the group itself which of them gets a slot.
func (s *Store) addPointers(ctx context.Context, b *firestore.WriteBatch, group []*adding) error {
	slots, readAt, err := s.readSlots(ctx, group)
	if err != nil {
		return err
	}
	for _, a := range group {
		switch w := a.waiting(); {
		case a.Place == nil:
			b.Create(s.pointer(s.shards(a.Endpoint), w.Ref), pendingDoc{a.doc.Data.ReceivedAt})
		case w.Slot != "":
			a.lost, a.slotRead = slots[s.waitingRef(a.Endpoint, w).Path].offer(w, a.Place), readAt
		default:
			bytes, err := packWaiting(w)
			if err != nil {
				return err
			}
			b.Create(s.waitingRef(a.Endpoint, w), waitingDoc{bytes})
		}
	}
	for _, slot := range slots {
		if err := slot.write(b); err != nil {
			return err
		}
	}
	return nil
}

// readSlots reads the slots of the group's events, by the paths of their documents. It returns
// the time of the read.
func (s *Store) readSlots(ctx context.Context, group []*adding) (slots map[string]*slot, readAt time.Time, err error) {
	slots = make(map[string]*slot)
	var refs []*firestore.DocumentRef
	for _, a := range group {
		if !a.hasSlot() {
			continue
		}
		ref := s.waitingRef(a.Endpoint, a.waiting())
		if slots[ref.Path] == nil {
			slots[ref.Path] = &slot{ref: ref}
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		return slots, readAt, nil
	}
	docs, err := s.client.GetAll(ctx, refs)
	if err != nil {
		return nil, readAt, failed("append: read the slots", err)
	}
	for _, d := range docs {
		readAt = d.ReadTime
		if !d.Exists() {
			continue
		}
		w, err := toWaiting(d)
		if err != nil {
			return nil, readAt, failed("append: read the slots", err)
		}
		there := slots[d.Ref.Path]
		there.updated, there.holder = d.UpdateTime, &w
	}
	return slots, readAt, nil
}

func (s *Store) waitingRef(ep store.Endpoint, w store.Waiting) *firestore.DocumentRef {
	return namesOf(s.waitingSet(ep), w.Key).doc(w)
}

func (a *adding) hasSlot() bool { return a.Place != nil && a.Place.Slot != "" }

// waiting returns the event's pointer. Without a Place it has only a Ref.
func (a *adding) waiting() store.Waiting {
	w := store.Waiting{Ref: event.Ref{ID: a.Event.ID, ReceivedAt: a.doc.Data.ReceivedAt, Size: a.doc.Data.Size}}
	if p := a.Place; p != nil {
		w.Key, w.At, w.First, w.Slot = p.Key, p.At, p.At, p.Slot
	}
	return w
}

// roundsOf returns the largest number of attempts at the group's commit.
func roundsOf(group []*adding) int {
	for _, a := range group {
		if a.hasSlot() {
			return slotRounds
		}
	}
	return rounds
}

// backOff lets the other writers of a slot finish. The random part keeps writers apart that
// were refused together.
func backOff(ctx context.Context, round int) {
	select {
	case <-time.After(rand.N(5 * time.Millisecond << min(round, 5))):
	case <-ctx.Done():
	}
}
