package sqlitestore

import (
	"context"
	"slices"
	"sync"

	"github.com/headgate/headgate/internal/store"
)

var _ store.Changes = (*Store)(nil)

// span is a run of revisions, both ends included. The zero span has none.
type span struct{ first, last int64 }

// with returns the span and the n revisions that follow it, of which last is the last.
func (s span) with(last, n int64) span {
	if s == (span{}) {
		s.first = last - n + 1
	}
	return span{s.first, last}
}

// maxSpans bounds the spans that a process remembers. Its writes are one span as long as no
// other process writes in between.
const maxSpans = 1024

// ownWrites has the revisions that this process gave to documents, so that it can tell them
// from those of other processes.
type ownWrites struct {
	mu    sync.Mutex
	spans []span // in order, and none touches the next
}

// add adds the revisions of a transaction. The writer calls it right before the commit: a
// reader that sees a document of this process finds its revision here.
func (o *ownWrites) add(s span) {
	if s == (span{}) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.spans); n > 0 && o.spans[n-1].last+1 == s.first {
		o.spans[n-1].last = s.last
		return
	}
	if o.spans = append(o.spans, s); len(o.spans) > maxSpans {
		o.spans = slices.Delete(o.spans, 0, len(o.spans)-maxSpans)
	}
}

// drop removes the span that was added last. The writer calls it if the commit failed, before
// another process can get these revisions.
func (o *ownWrites) drop(s span) {
	if s == (span{}) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.spans) - 1; o.spans[n].first == s.first {
		o.spans = o.spans[:n]
	} else {
		o.spans[n].last = s.first - 1
	}
}

// others returns the revisions in (after, upTo] that other processes gave. It forgets the own
// ones up to after, so a caller must not go back behind it.
func (o *ownWrites) others(after, upTo int64) (gaps []span) {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := after + 1
	kept := o.spans[:0]
	for _, s := range o.spans {
		if s.last > after {
			kept = append(kept, s)
		}
		if last := min(s.first-1, upTo); next <= last {
			gaps = append(gaps, span{next, last})
		}
		next = max(next, s.last+1)
	}
	o.spans = kept
	if next <= upTo {
		gaps = append(gaps, span{next, upTo})
	}
	return gaps
}

// Position implements [store.Changes].
func (s *Store) Position(ctx context.Context) (last int64, err error) {
	if err = s.q.lastRevision.QueryRowContext(ctx).Scan(&last); err != nil {
		return 0, s.reading("position", err)
	}
	return last, nil
}

// ChangesSince implements [store.Changes]. A position is a revision: a commit takes its
// numbers while it alone may write, so they are in the order of the commits.
func (s *Store) ChangesSince(ctx context.Context, position int64, limit int) (changed []store.Changed, upTo int64, err error) {
	if upTo, err = s.Position(ctx); err != nil || upTo <= position {
		return nil, position, err
	}
	for _, gap := range s.w.own.others(position, upTo) {
		last, err := s.changesIn(ctx, gap, limit-len(changed), &changed)
		if err != nil {
			return nil, position, s.reading("changes", err)
		}
		if len(changed) >= limit {
			return changed, last, nil
		}
	}
	return changed, upTo, nil
}

// changesIn appends the documents that have revisions in the span, at most limit, and returns
// the revision of the last one.
func (s *Store) changesIn(ctx context.Context, in span, limit int, changed *[]store.Changed) (last int64, err error) {
	rows, err := s.q.changedDocs.QueryContext(ctx, in.first, in.last, limit)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var c store.Changed
		var scope, id []byte
		if err := rows.Scan(&c.Collection.Kind, &scope, &id, &last); err != nil {
			return 0, err
		}
		c.Collection.Scope, c.ID = string(scope), string(id)
		*changed = append(*changed, c)
	}
	return last, rows.Err()
}
