package firestorestore

//lint:file-ignore SA1019 WriteBatch: see newBatch

import (
	"context"
	"sync"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/store"
)

// An endpoint's document holds an upper bound on when its pointers were
// received. What a check asks most often is whether a source that has been
// silent still is; the bound answers that with one read of one document, however
// many events of others wait. (The emulator needs it most: there, any query
// scans its whole collection.)
//
// The bound only ever rises, by an atomic maximum, in the commit of the event
// that is beyond it; it is raised with a margin, so that this adds a write per
// hour and endpoint and not one per event.
const boundMargin = time.Hour

type boundDoc struct {
	Latest int64 `firestore:"latest"` // Unix microseconds
}

// bounds are what this process knows of the bounds: each is at least so high.
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

// mark raises the bounds that the group's events are beyond, in its commit, and
// returns what they are once that succeeded.
func (s *Store) mark(b *firestore.WriteBatch, group []*adding) map[string]int64 {
	var marked map[string]int64
	refs := make(map[string]*firestore.DocumentRef)
	for _, a := range group {
		ref := s.endpointDoc(a.Endpoint)
		at := a.doc.ReceivedAt.UnixMicro()
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

// silent is whether the endpoint certainly has no pointer received after the
// instant. It reads the bound only where that could say so.
func (s *Store) silent(ctx context.Context, ep store.Endpoint, after time.Time) (bool, error) {
	ref := s.endpointDoc(ep)
	if s.latest.get(ref.ID) > after.UnixMicro() {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
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
