package firestorestore

import (
	"context"
	"errors"
	"slices"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// List implements [store.Docs].
func (s *Store) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	col, err := s.docs(l.Collection)
	if err != nil {
		return nil, err
	}
	if len(l.After.ID) > maxIDBytes {
		return nil, fault.New(fault.Invalid, "the position to list from has %d bytes, and %d is the most", len(l.After.ID), maxIDBytes)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if l.Descending && !l.ByOrder {
		docs, err := s.listDown(ctx, col, l)
		if err != nil {
			return nil, failed("list", err)
		}
		return docs, nil
	}
	docs, err := listed(after(col, l).Limit(l.Limit).Documents(ctx), l.Bytes)
	if err != nil {
		return nil, failed("list", err)
	}
	return docs, nil
}

// listed returns documents of the iterator, up to the one whose body brings the sum of all
// bodies to most bytes. 0 means no bound.
func listed(it *firestore.DocumentIterator, most int) ([]store.Doc, error) {
	defer it.Stop()
	docs, bytes := []store.Doc{}, 0
	for most <= 0 || bytes < most {
		snap, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, err
		}
		d, err := toDoc(snap)
		if err != nil {
			return nil, err
		}
		docs, bytes = append(docs, d), bytes+len(d.Body)
	}
	return docs, nil
}

// listDown lists by descending id. It reads the names of all documents before the position,
// so it is for small collections. Firestore has no index of descending names, and a field to
// order by would cost two index entries with every write.
func (s *Store) listDown(ctx context.Context, col *firestore.CollectionRef, l store.Listing) ([]store.Doc, error) {
	for {
		q := byID.on(col).Select()
		if l.After.ID != "" {
			q = q.EndBefore(encodeID(l.After.ID))
		}
		refs, err := last(q.Documents(ctx), l.Limit)
		if err != nil || len(refs) == 0 {
			return nil, err
		}
		snaps, err := s.client.GetAll(ctx, refs)
		if err != nil {
			return nil, err
		}
		var docs []store.Doc
		for _, snap := range slices.Backward(snaps) {
			if !snap.Exists() {
				continue
			}
			d, err := toDoc(snap)
			if err != nil {
				return nil, err
			}
			docs = append(docs, d)
		}
		if len(docs) > 0 {
			return docs, nil
		}
		if l.After.ID, err = decodeID(refs[0].ID); err != nil { // all of them were deleted meanwhile: continue
			return nil, err
		}
	}
}

// last returns the last documents of the iterator, at most limit of them. It keeps at most
// twice as many in memory.
func last(it *firestore.DocumentIterator, limit int) ([]*firestore.DocumentRef, error) {
	defer it.Stop()
	var refs []*firestore.DocumentRef
	for {
		snap, err := it.Next()
		switch {
		case errors.Is(err, iterator.Done):
			return refs[max(0, len(refs)-limit):], nil
		case err != nil:
			return nil, err
		}
		if len(refs) == 2*limit {
			refs = append(refs[:0], refs[limit:]...)
		}
		refs = append(refs, snap.Ref)
	}
}

// after returns the query for the documents after the listing's position.
func after(col *firestore.CollectionRef, l store.Listing) firestore.Query {
	if !l.ByOrder {
		q := byID.on(col)
		if l.After.ID != "" {
			q = q.StartAfter(encodeID(l.After.ID))
		}
		return q
	}
	q := byOrder.sorted(l.Descending).on(col)
	switch {
	case l.After == store.Position{}:
		return q
	case l.After.ID != "":
		return q.StartAfter(l.After.Order, encodeID(l.After.ID))
	case l.Descending:
		return q.Where("order", "<", l.After.Order)
	default:
		return q.Where("order", ">=", l.After.Order)
	}
}

// CountDocs implements [store.Docs]. It costs one billed read per thousand documents.
func (s *Store) CountDocs(ctx context.Context, collection store.Collection, limit int) (int, error) {
	col, err := s.docs(collection)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	n, err := countQuery(ctx, col.Limit(limit))
	if err != nil {
		return 0, failed("count", err)
	}
	return n, nil
}
