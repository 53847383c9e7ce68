package firestorestore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/store"
)

// Pending implements [store.Store].
func (s *Store) Pending(ctx context.Context, ep store.Endpoint, after time.Time, limit int) ([]store.Pointer, error) {
	if silent, err := s.silent(ctx, ep, after); silent || err != nil {
		return nil, err
	}
	return s.pointers(ctx, ep, byReceivedAt, limit, func(q firestore.Query) firestore.Query {
		return q.Where("receivedAt", ">", after)
	})
}

// Stale implements [store.Store]. It reads one shard after the other, and stops at limit:
// every document is billed, and the contract leaves open which pointers are returned.
func (s *Store) Stale(ctx context.Context, ep store.Endpoint, upTo time.Time, limit int) ([]store.Pointer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var stale []store.Pointer
	for _, col := range s.shards(ep) {
		q := byReceivedAt.on(col).Where("receivedAt", "<=", upTo).Limit(limit - len(stale))
		docs, err := q.Documents(ctx).GetAll()
		if err != nil {
			return nil, failed("read stale pointers", err)
		}
		ps, err := toPointers(docs)
		if err != nil {
			return nil, err
		}
		if stale = append(stale, ps...); len(stale) >= limit {
			break
		}
	}
	return stale, nil
}

// pointers reads every shard, and returns the merged pointers in order, at most limit unless
// that is 0.
func (s *Store) pointers(ctx context.Context, ep store.Endpoint, sh shape, limit int, where func(firestore.Query) firestore.Query) ([]store.Pointer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	one := func(ctx context.Context, col *firestore.CollectionRef) ([]store.Pointer, error) {
		q := where(sh.on(col))
		if limit > 0 {
			q = q.Limit(limit)
		}
		docs, err := q.Documents(ctx).GetAll()
		if err != nil {
			return nil, failed("read pending events", err)
		}
		return toPointers(docs)
	}
	shards := s.shards(ep)
	if len(shards) == 1 { // a query has the endpoint's order: nothing is merged, and nobody else need be woken
		return one(ctx, shards[0])
	}
	read := make([][]store.Pointer, len(shards))
	eg, ctx := errgroup.WithContext(ctx)
	for i, col := range shards {
		eg.Go(func() (err error) {
			read[i], err = one(ctx, col)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	merged := slices.Concat(read...)
	slices.SortFunc(merged, func(a, b store.Pointer) int {
		if sh.descending {
			a, b = b, a
		}
		return a.Compare(b)
	})
	if limit > 0 && len(merged) > limit {
		merged = merged[:limit]
	}
	return merged, nil
}

func toPointers(docs []*firestore.DocumentSnapshot) ([]store.Pointer, error) {
	ps := make([]store.Pointer, len(docs))
	for i, d := range docs {
		p, err := parsePointer(d.Ref.ID)
		if err != nil {
			return nil, err
		}
		ps[i] = p
	}
	return ps, nil
}

// Count implements [store.Store]. It costs one billed read per thousand pointers.
func (s *Store) Count(ctx context.Context, ep store.Endpoint, after time.Time, limit int) (int, error) {
	if silent, err := s.silent(ctx, ep, after); silent || err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	total := 0
	for _, col := range s.shards(ep) {
		q := byReceivedAt.on(col).Where("receivedAt", ">", after)
		if limit > 0 {
			q = q.Limit(limit - total)
		}
		n, err := countQuery(ctx, q)
		if err != nil {
			return 0, failed("count pending events", err)
		}
		if total += n; limit > 0 && total >= limit {
			break
		}
	}
	return total, nil
}

// countQuery returns the number of documents that the query matches, without reading them.
func countQuery(ctx context.Context, q firestore.Query) (int, error) {
	r, err := q.NewAggregationQuery().WithCount("n").Get(ctx)
	if err != nil {
		return 0, err
	}
	v, ok := r["n"].(*firestorepb.Value)
	if !ok {
		return 0, fmt.Errorf("the answer to a count is a %T", r["n"])
	}
	return int(v.GetIntegerValue()), nil
}

// Summarize implements [store.Store].
func (s *Store) Summarize(ctx context.Context, ep store.Endpoint, after time.Time) (sum store.Summary, err error) {
	if sum.Count, err = s.Count(ctx, ep, after, 0); err != nil || sum.Count == 0 {
		return sum, err
	}
	inWindow := func(q firestore.Query) firestore.Query { return q.Where("receivedAt", ">", after) }
	first, err := s.pointers(ctx, ep, byReceivedAt, 1, inWindow)
	if err != nil {
		return store.Summary{}, err
	}
	last, err := s.pointers(ctx, ep, byReceivedAtDesc, 1, inWindow)
	if err != nil {
		return store.Summary{}, err
	}
	if len(first) == 0 || len(last) == 0 { // all were deleted meanwhile
		return store.Summary{}, nil
	}
	sum.First, sum.Last = first[0].ReceivedAt, last[0].ReceivedAt
	return sum, nil
}

// discardChunk is the number of pointers that are deleted in one commit.
const discardChunk = 400

// Discard implements [store.Store]. Each delete has the condition that the pointer exists,
// so that a pointer which a claim took meanwhile is not counted.
func (s *Store) Discard(ctx context.Context, ep store.Endpoint, ps []store.Pointer) (n int, err error) {
	shards := s.shards(ep)
	removals := make([]removal, len(ps))
	for i, p := range ps {
		removals[i].ref = s.pointer(shards, p)
	}
	return s.discard(ctx, removals)
}

// removal is the deletion of a document on a condition.
type removal struct {
	ref *firestore.DocumentRef
	// updated, if it is not zero, requires that the document was last changed then. Otherwise
	// it must exist.
	updated time.Time
}

func (r removal) condition() firestore.Precondition {
	if r.updated.IsZero() {
		return firestore.Exists
	}
	return firestore.LastUpdateTime(r.updated)
}

func (r removal) holds(d *firestore.DocumentSnapshot) bool {
	return d.Exists() && (r.updated.IsZero() || d.UpdateTime.Equal(r.updated))
}

// discard deletes the documents, several in a commit. It returns the number of documents
// deleted.
func (s *Store) discard(ctx context.Context, removals []removal) (n int, err error) {
	for group := range slices.Chunk(removals, discardChunk) {
		gone, err := s.discardGroup(ctx, group)
		if n += gone; err != nil {
			return n, err
		}
	}
	return n, nil
}

// discardGroup deletes the documents in one commit. If it is refused because the condition of
// some no longer holds, it tries again with the rest.
func (s *Store) discardGroup(ctx context.Context, removals []removal) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for range rounds {
		if len(removals) == 0 {
			return 0, nil
		}
		b := s.newBatch()
		refs := make([]*firestore.DocumentRef, len(removals))
		for i, r := range removals {
			refs[i] = r.ref
			b.Delete(r.ref, r.condition())
		}
		_, err := b.Commit(ctx)
		s.wrote(err)
		if err == nil {
			return len(removals), nil
		}
		if !refused(err) {
			return 0, failed("discard", err)
		}
		docs, err := s.client.GetAll(ctx, refs)
		if err != nil {
			return 0, failed("discard: read what is left", err)
		}
		rest := make([]removal, 0, len(removals))
		for i, d := range docs {
			if removals[i].holds(d) {
				rest = append(rest, removals[i])
			}
		}
		removals = rest
	}
	return 0, failed("discard", errBusy)
}
