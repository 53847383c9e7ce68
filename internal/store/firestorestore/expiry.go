package firestorestore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// namesAtOnce is the largest number of values that a Firestore query compares a field with.
const namesAtOnce = 30

// Now implements [store.Store]. It reads a document that does not exist, because every
// answer has the time of the read.
func (s *Store) Now(ctx context.Context) (time.Time, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	d, err := s.client.Collection(colServices).Doc("-now").Get(ctx)
	if err != nil && !notFound(err) {
		return time.Time{}, false, failed("ask for the time", err)
	}
	if d == nil || d.ReadTime.IsZero() {
		return time.Time{}, false, failed("ask for the time", fmt.Errorf("the answer has no read time: %w", err))
	}
	return d.ReadTime.UTC(), true, nil
}

// kept holds the fields of an event that Keep needs, without the payload.
type kept struct {
	ExpireAt time.Time `firestore:"expireAt"`
	Data     struct {
		ReceivedAt time.Time `firestore:"receivedAt"`
		Parts      int       `firestore:"parts"`
	} `firestore:"data"`
}

// Keep implements [store.Store]. The first event stands for all: Keep reads it first, and
// postpones it last, after every other commit succeeded. A call that was cut off is then
// repeated in full.
func (s *Store) Keep(ctx context.Context, service string, members []store.Member, until time.Time) error {
	if len(members) == 0 {
		return ctx.Err()
	}
	looking, cancel := context.WithTimeout(ctx, s.timeout)
	found, err := s.keptOf(looking, service, members[:1])
	cancel()
	if err != nil {
		return failed("keep: read the first event", err)
	}
	if head, ok := found[members[0]]; !ok {
		return store.ErrNotFound
	} else if !head.ExpireAt.Before(until) {
		return nil
	}
	for _, chunk := range slices.Backward(slices.Collect(slices.Chunk(members, namesAtOnce))) {
		if err := s.postpone(ctx, service, chunk, until); err != nil {
			return err
		}
	}
	return nil
}

// postpone postpones the expiry of at most namesAtOnce events, in one commit.
func (s *Store) postpone(ctx context.Context, service string, members []store.Member, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for range rounds {
		found, err := s.keptOf(ctx, service, members)
		if err != nil {
			return failed("keep: read the events", err)
		}
		b, n := s.newBatch(), 0
		for _, k := range found {
			if !k.ExpireAt.Before(until) {
				continue
			}
			later := []firestore.Update{{Path: "expireAt", Value: until}}
			for i := range k.Data.Parts {
				b.Update(part(k.ref, i), later)
			}
			b.Update(k.ref, later)
			n++
		}
		if n == 0 {
			return nil
		}
		if _, err = b.Commit(ctx); err == nil || !refused(err) {
			if err != nil {
				err = failed("keep", err)
			}
			return err
		} // an event was deleted or archived meanwhile: read again
	}
	return failed("keep", errBusy)
}

type keptEvent struct {
	kept
	ref *firestore.DocumentRef
}

// keptOf finds the events under their own or their archived ids.
func (s *Store) keptOf(ctx context.Context, service string, members []store.Member) (map[store.Member]keptEvent, error) {
	found := make(map[store.Member]keptEvent, len(members))
	for _, id := range []func(store.Member) string{
		func(m store.Member) string { return m.ID },
		func(m store.Member) string { return event.ArchivedID(m.ID, m.ReceivedAt) },
	} {
		byRef := make(map[string][]store.Member) // two members may have one id, if it was used again
		var refs []any
		for _, m := range members {
			if _, ok := found[m]; !ok {
				ref := s.event(service, id(m))
				if byRef[ref.ID] == nil {
					refs = append(refs, ref)
				}
				byRef[ref.ID] = append(byRef[ref.ID], m)
			}
		}
		if len(refs) == 0 {
			break
		}
		q := s.service(service).Collection(colEvents).Where(firestore.DocumentID, "in", refs).Select("data.receivedAt", "data.parts", "expireAt")
		docs, err := q.Documents(ctx).GetAll()
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			var k kept
			if err := d.DataTo(&k); err != nil {
				return nil, err
			}
			for _, m := range byRef[d.Ref.ID] {
				if k.Data.ReceivedAt.Equal(m.ReceivedAt) {
					found[m] = keptEvent{k, d.Ref}
				}
			}
		}
	}
	return found, nil
}
