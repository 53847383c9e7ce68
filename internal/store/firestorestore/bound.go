package firestorestore

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/store"
)

// boundMargin is the margin by which an endpoint's bound is raised.
//
// An endpoint's document holds an upper bound of its pointers' receivedAt. Checks mostly ask
// whether a silent source is still silent. The bound answers that with the read of one
// document, however many events of other endpoints wait. (On the emulator every query scans
// its whole collection, so the bound helps there most.)
//
// Events that wait in a set of keys do not count: the read of one key is cheap anyway.
//
// The commit of an event beyond the bound raises it, with an atomic maximum, so it never
// falls and is never below a pointer. The margin makes this one write per hour and endpoint,
// and not one per event.
const boundMargin = time.Hour

type boundDoc struct {
	Latest int64 `firestore:"latest"` // Unix microseconds
}

// bounds holds what this process knows of the stored bounds: none is lower than here.
type bounds struct {
	mu sync.RWMutex
	at map[string]int64 // by the id of the endpoint's document
}

func (b *bounds) get(id string) int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.at[id]
}

func (b *bounds) raise(to map[string]int64) {
	if len(to) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		b.at = make(map[string]int64)
	}
	for id, at := range to {
		b.at[id] = max(b.at[id], at)
	}
}

// mark adds to the group's commit the writes that raise bounds which its events exceed. It
// returns the new bounds, which hold if the commit succeeds.
func (s *Store) mark(b *firestore.WriteBatch, group []*adding) map[string]int64 {
	var marked map[string]int64
	refs := make(map[string]*firestore.DocumentRef)
	for _, a := range group {
		if a.Place != nil {
			continue
		}
		ref := s.endpointDoc(a.Endpoint)
		at := a.doc.Data.ReceivedAt.UnixMicro()
		if at <= s.latest.get(ref.ID) {
			continue
		}
		if marked == nil {
			marked = make(map[string]int64)
		}
		refs[ref.ID] = ref
		marked[ref.ID] = max(marked[ref.ID], at+boundMargin.Microseconds())
	}
	for id, at := range marked {
		b.Set(refs[id], map[string]any{"latest": firestore.FieldTransformMaximum(at)}, firestore.MergeAll)
	}
	return marked
}

// silent reports whether the endpoint certainly has no pointer received after the instant.
// It reads the bound only if the known one does not rule that out.
func (s *Store) silent(ctx context.Context, ep store.Endpoint, after time.Time) (bool, error) {
	ref := s.endpointDoc(ep)
	if s.latest.get(ref.ID) > after.UnixMicro() {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	d, err := ref.Get(ctx)
	if notFound(err) {
		return true, nil
	}
	var bound boundDoc
	if err == nil {
		err = d.DataTo(&bound)
	}
	if err != nil {
		return false, failed("read an endpoint's bound", err)
	}
	s.latest.raise(map[string]int64{ref.ID: bound.Latest})
	return bound.Latest <= after.UnixMicro(), nil
}
