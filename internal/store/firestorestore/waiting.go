package firestorestore

import (
	"context"
	"math"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/store"
)

// microSpan is a store.Span in Unix microseconds, the precision of what is stored.
type microSpan struct{ from, to int64 }

func toMicroSpan(in store.Span) microSpan {
	m := microSpan{math.MinInt64, math.MaxInt64}
	if !in.From.IsZero() {
		m.from = in.From.UnixMicro()
	}
	if !in.To.IsZero() {
		m.to = in.To.UnixMicro()
	}
	return m
}

// WaitingOf implements [store.Windows]. It is one query, and reads no more than it returns.
// With slots it is two queries, and reads all of the key's pointers that have one: their
// names do not contain the time, because that changes when another event takes the slot.
func (s *Store) WaitingOf(ctx context.Context, ep store.Endpoint, key string, in store.Span, slots bool, limit int) ([]store.Waiting, error) {
	names, span := namesOf(s.waitingSet(ep), key), toMicroSpan(in)
	queries := []firestore.Query{names.between(span)}
	if limit > 0 {
		queries[0] = queries[0].Limit(limit)
	}
	if slots {
		queries = append(queries, names.slots())
	}
	ws, err := s.waitingFrom(ctx, queries, limit, func(w store.Waiting) bool {
		at := w.At.UnixMicro()
		return span.from <= at && at < span.to
	})
	if err != nil {
		return nil, failed("read what waits for a key", err)
	}
	return ws, nil
}

// WaitingUpTo implements [store.Windows]. Every shard is read up to the limit.
func (s *Store) WaitingUpTo(ctx context.Context, ep store.Endpoint, upTo time.Time, after *store.Cursor, limit int) ([]store.Waiting, error) {
	var from, to []byte // nil: no bound
	if after != nil {
		b, err := packPosition(after.Date.UnixMicro(), after.ID)
		if err != nil {
			return nil, err
		}
		if from = next(b); from == nil {
			return nil, nil
		}
	}
	if !upTo.IsZero() {
		to = next(packTime(upTo.UnixMicro()))
	}
	set := s.waitingSet(ep)
	queries := make([]firestore.Query, len(set))
	for i, col := range set {
		q := byWindowTime.on(col).Limit(limit)
		if from != nil {
			q = q.Where(waitingField, ">=", from)
		}
		if to != nil {
			q = q.Where(waitingField, "<", to)
		}
		queries[i] = q
	}
	ws, err := s.waitingFrom(ctx, queries, limit, func(store.Waiting) bool { return true })
	if err != nil {
		return nil, failed("read what waits", err)
	}
	return ws, nil
}

// waitingFrom runs the queries, and merges the pointers that keep accepts in order, at most
// limit unless that is 0.
func (s *Store) waitingFrom(ctx context.Context, queries []firestore.Query, limit int, keep func(store.Waiting) bool) ([]store.Waiting, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	read := make([][]store.Waiting, len(queries))
	eg, ctx := errgroup.WithContext(ctx)
	for i, q := range queries {
		eg.Go(func() error {
			docs, err := q.Documents(ctx).GetAll()
			if err != nil {
				return err
			}
			for _, d := range docs {
				w, err := toWaiting(d)
				if err != nil {
					return err
				}
				if keep(w) {
					read[i] = append(read[i], w)
				}
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	merged := slices.Concat(read...)
	slices.SortFunc(merged, store.Waiting.Compare)
	if limit > 0 && len(merged) > limit {
		merged = merged[:limit]
	}
	return merged, nil
}

// CountWaiting implements [store.Windows]. It costs one billed read per thousand pointers.
func (s *Store) CountWaiting(ctx context.Context, ep store.Endpoint, limit int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	total := 0
	for _, col := range s.waitingSet(ep) {
		q := col.Query
		if limit > 0 {
			q = q.Limit(limit - total)
		}
		n, err := countQuery(ctx, q)
		if err != nil {
			return 0, failed("count what waits", err)
		}
		if total += n; limit > 0 && total >= limit {
			break
		}
	}
	return total, nil
}

// DiscardWaiting implements [store.Windows]. Each delete has the condition that the pointer
// is as it was read.
func (s *Store) DiscardWaiting(ctx context.Context, ep store.Endpoint, ws []store.Waiting) (int, error) {
	set := s.waitingSet(ep)
	removals := make([]removal, 0, len(ws))
	for _, w := range ws {
		if r, ok := asRead(w); ok {
			r.ref = namesOf(set, w.Key).doc(w)
			removals = append(removals, r)
		}
	}
	return s.discard(ctx, removals)
}
