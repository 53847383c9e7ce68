package sqlitestore

import (
	"bytes"
	"context"
	"database/sql"
	"math"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

var _ store.Docs = (*Store)(nil)

const (
	// docsAtOnce is the number of documents that share a statement where possible.
	docsAtOnce = 16
	// maxDocCommit and maxDocCommitBytes keep a commit short: every other writer waits for it.
	maxDocCommit      = 5_000
	maxDocCommitBytes = 32 << 20
	maxDocBytes       = 16 << 20
)

// Limits implements [store.Docs].
func (s *Store) Limits() store.Limits {
	return store.Limits{MaxCommit: maxDocCommit, MaxCommitBytes: maxDocCommitBytes, MaxDocBytes: maxDocBytes}
}

// Commit implements [store.Docs].
func (s *Store) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if len(writes) == 0 {
		return nil, ctx.Err()
	}
	size, err := checkCommit(writes)
	if err != nil {
		return nil, err
	}
	var last int64 // the revision of writes[i] is last - len(writes) + 1 + i
	err = s.w.do(&op{
		ctx: ctx, what: "commit", weight: 2 * len(writes), bytes: size, undo: true,
		run: func(tx *tx) error {
			last, err = tx.commitDocs(writes)
			return err
		},
	})
	if err != nil {
		if refused(err) || last == 0 || !s.committed(ctx, writes, last) {
			return nil, err
		}
	}
	revs := make([]string, len(writes))
	for i, w := range writes {
		if !w.Delete {
			revs[i] = formatRev(last - int64(len(writes)) + 1 + int64(i))
		}
	}
	return revs, nil
}

func checkCommit(writes []store.Write) (size int, err error) {
	if len(writes) > maxDocCommit {
		return 0, fault.New(fault.TooLarge, "a commit has %d writes, and %d is the most", len(writes), maxDocCommit)
	}
	for _, w := range writes {
		if w.Doc.ID == "" {
			return 0, fault.New(fault.Invalid, "a document needs an id")
		}
		if len(w.Doc.Body) > maxDocBytes {
			return 0, fault.New(fault.TooLarge, "the document has %d bytes, and %d is the most", len(w.Doc.Body), maxDocBytes)
		}
		size += len(w.Doc.Body)
	}
	if size > maxDocCommitBytes {
		return 0, fault.New(fault.TooLarge, "a commit has %d bytes, and %d is the most", size, maxDocCommitBytes)
	}
	return size, nil
}

// committed reports whether the writes are stored although the commit returned an error. A
// commit is atomic, so one stored write proves all. The revision alone proves nothing: if
// the commit failed, another may have got the same number by now, so the body has to be
// equal too. A commit of deletions only counts as stored if all the documents are gone.
func (s *Store) committed(ctx context.Context, writes []store.Write, last int64) bool {
	gone := 0
	for i, w := range writes {
		docs, err := s.Get(ctx, w.Collection, []string{w.Doc.ID})
		switch {
		case err != nil:
			return false
		case !w.Delete:
			return docs[0] != nil && docs[0].Rev == formatRev(last-int64(len(writes))+1+int64(i)) && bytes.Equal(docs[0].Body, w.Doc.Body)
		case docs[0] == nil:
			gone++
		}
	}
	return gone == len(writes)
}

// commitDocs makes the writes, and returns the revision of the last one. A run of creations
// is inserted docsAtOnce documents at a time.
func (t *tx) commitDocs(writes []store.Write) (last int64, err error) {
	if err := t.nextRevision.QueryRowContext(context.Background(), len(writes)).Scan(&last); err != nil {
		return 0, err
	}
	t.revs = t.revs.with(last, int64(len(writes)))
	rev := last - int64(len(writes)) + 1
	args := make([]any, 0, 6*docsAtOnce)
	var in store.Collection // of the document before, which most documents of a commit share
	var collection int64
	for i := 0; i < len(writes); {
		n := creations(writes[i:])
		if n < docsAtOnce {
			if err := t.writeDoc(&writes[i], rev+int64(i)); err != nil {
				return 0, err
			}
			i++
			continue
		}
		args = args[:0]
		for k := range docsAtOnce {
			w := &writes[i+k]
			if collection == 0 || w.Collection != in {
				if collection, err = t.internCollection(w.Collection); err != nil {
					return 0, err
				}
				in = w.Collection
			}
			args = append(args, collection, []byte(w.Doc.ID), rev+int64(i+k), w.Doc.Order, expiry(w.Doc.ExpireAt), bytesOrNull(w.Doc.Body))
		}
		if added, err := change(t.addDocs, args...); err != nil || added != docsAtOnce {
			return 0, orConflict(err)
		}
		i += docsAtOnce
	}
	return last, nil
}

// creations returns the number of writes at the front that create a document, at most
// docsAtOnce.
func creations(writes []store.Write) int {
	for i, w := range writes {
		if i == docsAtOnce || w.Delete || w.Any || w.Doc.Rev != "" {
			return i
		}
	}
	return len(writes)
}

func (t *tx) writeDoc(w *store.Write, rev int64) error {
	collection, err := t.internCollection(w.Collection)
	if err != nil {
		return err
	}
	id, d := []byte(w.Doc.ID), &w.Doc
	seen, err := parseRev(d.Rev)
	if err != nil && !w.Any {
		return store.ErrConflict // no document has a revision of this form
	}
	var n int
	switch {
	case w.Delete && w.Any:
		_, err = change(t.deleteDoc, collection, id)
		return err
	case w.Delete:
		n, err = change(t.deleteDocAt, collection, id, seen)
	case w.Any:
		n, err = change(t.putDoc, collection, id, rev, d.Order, expiry(d.ExpireAt), bytesOrNull(d.Body))
	case d.Rev == "":
		n, err = change(t.addDoc, collection, id, rev, d.Order, expiry(d.ExpireAt), bytesOrNull(d.Body))
	default:
		n, err = change(t.replaceDoc, rev, d.Order, expiry(d.ExpireAt), bytesOrNull(d.Body), collection, id, seen)
	}
	if err != nil || n != 1 {
		return orConflict(err)
	}
	return nil
}

// orConflict returns err, or ErrConflict if a statement without error changed too few rows.
func orConflict(err error) error {
	if err != nil {
		return err
	}
	return store.ErrConflict
}

// Get implements [store.Docs].
func (s *Store) Get(ctx context.Context, collection store.Collection, ids []string) ([]*store.Doc, error) {
	out := make([]*store.Doc, len(ids))
	num, ok, err := s.collectionNum(ctx, collection)
	if err != nil {
		return nil, s.reading("get", err)
	}
	if !ok || len(ids) == 0 {
		return out, ctx.Err()
	}
	at := make(map[string]int, len(ids)) // the index of the first of equal ids
	for i := len(ids) - 1; i >= 0; i-- {
		at[ids[i]] = i
	}
	put := func(d store.Doc) bool { out[at[d.ID]] = &d; return true }
	rest := ids
	for len(rest) >= docsAtOnce {
		args := make([]any, 1, 1+docsAtOnce)
		args[0] = num
		for _, id := range rest[:docsAtOnce] {
			args = append(args, []byte(id))
		}
		if err := scanDocs(ctx, s.q.docs, put, args...); err != nil {
			return nil, s.reading("get", err)
		}
		rest = rest[docsAtOnce:]
	}
	for _, id := range rest {
		if err := scanDocs(ctx, s.q.doc, put, num, []byte(id)); err != nil {
			return nil, s.reading("get", err)
		}
	}
	for i, id := range ids {
		out[i] = out[at[id]]
	}
	return out, nil
}

// List implements [store.Docs].
func (s *Store) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	num, ok, err := s.collectionNum(ctx, l.Collection)
	if err != nil || !ok {
		return nil, s.readingOrNil(ctx, "list", err)
	}
	args := []any{num}
	var query *sql.Stmt
	after, order := []byte(l.After.ID), l.After.Order
	if l.Descending && l.After == (store.Position{}) {
		after, order = lastID, math.MaxInt64
	}
	switch {
	case l.ByOrder && l.Descending:
		query = s.q.docsByOrderDown
	case l.ByOrder:
		query = s.q.docsByOrderUp
	case l.Descending:
		query = s.q.docsDown
	default:
		query = s.q.docsUp
	}
	if l.ByOrder {
		args = append(args, order)
	}
	var out []store.Doc
	bytes := 0
	err = scanDocs(ctx, query, func(d store.Doc) bool {
		out = append(out, d)
		bytes += len(d.Body)
		return l.Bytes <= 0 || bytes < l.Bytes
	}, append(args, after, l.Limit)...)
	return out, s.readingOrNil(ctx, "list", err)
}

// lastID is after every id, because 0xff does not occur in UTF-8.
var lastID = []byte{0xff}

// CountDocs implements [store.Docs].
func (s *Store) CountDocs(ctx context.Context, collection store.Collection, limit int) (n int, err error) {
	num, ok, err := s.collectionNum(ctx, collection)
	if err == nil && ok {
		err = s.q.countDocs.QueryRowContext(ctx, num, limit).Scan(&n)
	}
	return n, s.readingOrNil(ctx, "count", err)
}

// scanDocs yields the documents until yield returns false.
func scanDocs(ctx context.Context, query *sql.Stmt, yield func(store.Doc) bool, args ...any) error {
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var d store.Doc
		var id []byte
		var rev int64
		var expireAt sql.NullInt64
		if err := rows.Scan(&id, &rev, &d.Order, &expireAt, &d.Body); err != nil {
			return err
		}
		d.ID, d.Rev = string(id), formatRev(rev)
		if expireAt.Valid {
			d.ExpireAt = time.UnixMicro(expireAt.Int64).UTC()
		}
		if !yield(d) {
			return nil
		}
	}
	return rows.Err()
}

// collections is the service number that stands for collections in [names].
const collections = -1

func collectionName(c store.Collection) string { return c.Kind + "\x00" + c.Scope }

func (t *tx) internCollection(c store.Collection) (int64, error) {
	return t.intern(collections, collectionName(c), t.addCollection, t.collection, c.Kind, []byte(c.Scope))
}

func (s *Store) collectionNum(ctx context.Context, c store.Collection) (int64, bool, error) {
	return s.num(ctx, collections, collectionName(c), s.q.collection, c.Kind, []byte(c.Scope))
}

func formatRev(rev int64) string { return strconv.FormatInt(rev, 36) }

// parseRev is the inverse of formatRev, and 0 for "".
func parseRev(rev string) (int64, error) {
	if rev == "" {
		return 0, nil
	}
	return strconv.ParseInt(rev, 36, 64)
}

// bytesOrNull returns the column's value for a body. An empty body is NULL.
func bytesOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// readingOrNil is reading, but returns the error of a context that has ended if err is nil.
func (s *Store) readingOrNil(ctx context.Context, what string, err error) error {
	if err == nil {
		return ctx.Err()
	}
	return s.reading(what, err)
}
