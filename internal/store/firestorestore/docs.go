package firestorestore

import (
	"context"
	"slices"
	"strconv"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

var _ store.Docs = (*Store)(nil)

const (
	// maxDocCommit is the number of writes beyond which commits get no faster.
	maxDocCommit = 500
	// maxDocCommitBytes leaves room in a request for up to 1.7 KB of names and framing per
	// write. A request may have 10 MiB in production, and 4 MiB on the emulator.
	maxDocCommitBytes         = 8 << 20
	maxDocCommitBytesEmulator = 3 << 20
	// maxDocBytes, with the names and the other fields, stays under a document's 1 MiB.
	maxDocBytes = 1<<20 - 4<<10
	// docsAtOnce is the number of documents that one request reads.
	docsAtOnce = 500
	// lookAt is the number of documents that are read to find out whether a commit happened.
	// Other writers may have changed some of them since, but hardly all.
	lookAt = 16
	// commitMemory is the time for which the mark of a commit of deletions is kept.
	commitMemory = time.Hour
)

type docDoc struct {
	// Order is absent from documents outside of their collection's order, so that these are
	// not in the index either.
	Order    int64     `firestore:"order,omitempty"`
	ExpireAt time.Time `firestore:"expireAt,omitempty"`
	Data     docData   `firestore:"data"`
}

type docData struct {
	Body []byte `firestore:"body"`
	// Attempt is random per commit. A writer recognises its own commit by it. It also makes
	// every write a change: Firestore keeps the update time of a document that stays equal.
	Attempt string `firestore:"attempt"`
}

// commitDoc is the mark of a commit of deletions, which leaves no other document to
// recognise it by.
type commitDoc struct {
	ExpireAt time.Time `firestore:"expireAt"`
}

// Limits implements [store.Docs].
func (s *Store) Limits() store.Limits {
	return store.Limits{MaxCommit: maxDocCommit, MaxCommitBytes: s.maxCommitBytes, MaxDocBytes: maxDocBytes}
}

// docCommit is a commit in progress.
type docCommit struct {
	attempt string
	batch   *firestore.WriteBatch
	written []*firestore.DocumentRef // the documents that get the attempt
	seen    []seenDoc
}

// seenDoc is the condition that a document was last updated at a given time.
type seenDoc struct {
	ref *firestore.DocumentRef
	at  time.Time
}

// Commit implements [store.Docs] by a blind commit, each write with its precondition.
func (s *Store) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if len(writes) == 0 || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := s.checkCommit(writes); err != nil {
		return nil, err
	}
	c, err := s.newDocCommit(writes)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	at, err := s.commitDocs(ctx, bounded, c)
	if err != nil {
		return nil, err
	}
	revs := make([]string, len(writes))
	for i, w := range writes {
		if !w.Delete {
			revs[i] = formatRev(at)
		}
	}
	return revs, nil
}

// commitDocs makes the commit, and returns its time, which is the update time of all its
// documents. It tries again if the commit was aborted because of contention.
func (s *Store) commitDocs(ctx, bounded context.Context, c *docCommit) (time.Time, error) {
	for range rounds {
		results, err := c.batch.Commit(bounded)
		s.wrote(err)
		if err == nil {
			return lastUpdate(results), nil
		}
		at, ours, lookErr := s.landed(ctx, c)
		switch {
		case ours:
			return at, nil
		case status.Code(err) == codes.Aborted: // contention, which says nothing about the preconditions
		case status.Code(err) == codes.InvalidArgument && s.outdated(bounded, c):
			return time.Time{}, store.ErrConflict
		case !refused(err):
			return time.Time{}, failed("commit", err)
		case lookErr != nil:
			return time.Time{}, failed("commit: read the documents", lookErr)
		default:
			return time.Time{}, store.ErrConflict
		}
	}
	return time.Time{}, failed("commit", errBusy)
}

// lastUpdate returns the update time of a commit. The results of deletions have none.
func lastUpdate(results []*firestore.WriteResult) (at time.Time) {
	for _, r := range results {
		if r.UpdateTime.After(at) {
			at = r.UpdateTime
		}
	}
	return at
}

func (s *Store) checkCommit(writes []store.Write) error {
	if len(writes) > maxDocCommit {
		return fault.New(fault.TooLarge, "a commit has %d writes, and %d is the most", len(writes), maxDocCommit)
	}
	size := 0
	for _, w := range writes {
		if !validID(w.Doc.ID) {
			return fault.New(fault.Invalid, "the id of a document has %d bytes: 1 to %d are allowed", len(w.Doc.ID), maxIDBytes)
		}
		if len(w.Doc.Body) > maxDocBytes {
			return fault.New(fault.TooLarge, "the document has %d bytes, and %d is the most", len(w.Doc.Body), maxDocBytes)
		}
		size += len(w.Doc.Body)
	}
	if size > s.maxCommitBytes {
		return fault.New(fault.TooLarge, "a commit has %d bytes, and %d is the most", size, s.maxCommitBytes)
	}
	return nil
}

func (s *Store) newDocCommit(writes []store.Write) (*docCommit, error) {
	c := &docCommit{attempt: event.RandomID(), batch: s.newBatch()}
	conditional := false
	for _, w := range writes {
		col, err := s.docs(w.Collection)
		if err != nil {
			return nil, err
		}
		ref := col.Doc(encodeID(w.Doc.ID))
		if !w.Delete {
			c.written = append(c.written, ref)
		}
		conditional = conditional || !w.Any
		seen, err := parseRev(w.Doc.Rev)
		if err != nil && !w.Any && (w.Delete || w.Doc.Rev != "") {
			return nil, store.ErrConflict // no document has a revision of this form
		}
		doc := docDoc{Order: w.Doc.Order, ExpireAt: w.Doc.ExpireAt, Data: docData{w.Doc.Body, c.attempt}}
		switch {
		case w.Delete && w.Any:
			c.batch.Delete(ref)
		case w.Delete:
			c.seen = append(c.seen, seenDoc{ref, seen})
			c.batch.Delete(ref, firestore.LastUpdateTime(seen))
		case w.Any:
			c.batch.Set(ref, doc)
		case w.Doc.Rev == "":
			c.batch.Create(ref, doc)
		default:
			c.seen = append(c.seen, seenDoc{ref, seen})
			c.batch.Update(ref, doc.updates(), firestore.LastUpdateTime(seen))
		}
	}
	if len(c.written) == 0 && conditional {
		ref := s.commitMark(c.attempt)
		c.batch.Set(ref, commitDoc{ExpireAt: s.wall().Add(commitMemory)})
		c.written = append(c.written, ref)
	}
	return c, nil
}

// updates returns updates of all fields. It deletes those that the new document does not have.
func (d docDoc) updates() []firestore.Update {
	order := any(d.Order)
	if d.Order == 0 {
		order = firestore.Delete
	}
	return []firestore.Update{
		{Path: "data", Value: d.Data}, {Path: "order", Value: order}, {Path: "expireAt", Value: orDelete(d.ExpireAt)},
	}
}

// landed reports whether a commit happened although it returned an error, and the time of
// the commit. The client may have repeated a commit whose answer was lost, or the caller's
// time may have ended. A document with the commit's attempt proves the whole commit.
func (s *Store) landed(ctx context.Context, c *docCommit) (at time.Time, ours bool, err error) {
	if len(c.written) == 0 {
		return time.Time{}, false, nil
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout/2)
	defer cancel()
	snaps, err := s.client.GetAll(look, c.written[:min(lookAt, len(c.written))])
	if err != nil {
		return time.Time{}, false, err
	}
	for _, snap := range snaps {
		if !snap.Exists() {
			continue
		}
		if attempt, err := snap.DataAt("data.attempt"); snap.Ref.ID == c.attempt || err == nil && attempt == c.attempt {
			return snap.UpdateTime, true, nil
		}
	}
	return time.Time{}, false, nil
}

// outdated reports whether a document changed since the writer saw it. Firestore answers
// InvalidArgument, and not FailedPrecondition, if the seen update time is later than the
// document's.
func (s *Store) outdated(ctx context.Context, c *docCommit) bool {
	refs := make([]*firestore.DocumentRef, len(c.seen))
	for i, d := range c.seen {
		refs[i] = d.ref
	}
	snaps, err := s.client.GetAll(ctx, refs)
	if err != nil {
		return false
	}
	for i, snap := range snaps {
		if !snap.Exists() || !snap.UpdateTime.Equal(c.seen[i].at) {
			return true
		}
	}
	return false
}

// Get implements [store.Docs].
func (s *Store) Get(ctx context.Context, collection store.Collection, ids []string) ([]*store.Doc, error) {
	col, err := s.docs(collection)
	if err != nil {
		return nil, err
	}
	out := make([]*store.Doc, len(ids))
	if len(ids) == 0 || ctx.Err() != nil {
		return out, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(4)
	for which := range slices.Chunk(all(len(ids)), docsAtOnce) {
		eg.Go(func() error { return s.getChunk(ctx, col, ids, which, out) })
	}
	if err := eg.Wait(); err != nil {
		return nil, failed("get", err)
	}
	return out, nil
}

// getChunk reads the documents at the indexes in which into out. It leaves out ids that no
// document can have.
func (s *Store) getChunk(ctx context.Context, col *firestore.CollectionRef, ids []string, which []int, out []*store.Doc) error {
	which = slices.DeleteFunc(slices.Clone(which), func(i int) bool { return !validID(ids[i]) })
	if len(which) == 0 {
		return nil
	}
	refs := make([]*firestore.DocumentRef, len(which))
	for i, n := range which {
		refs[i] = col.Doc(encodeID(ids[n]))
	}
	snaps, err := s.client.GetAll(ctx, refs)
	if err != nil {
		return err
	}
	for i, n := range which {
		if !snaps[i].Exists() {
			continue
		}
		d, err := toDoc(snaps[i])
		if err != nil {
			return err
		}
		out[n] = &d
	}
	return nil
}

func toDoc(snap *firestore.DocumentSnapshot) (store.Doc, error) {
	id, err := decodeID(snap.Ref.ID)
	if err != nil {
		return store.Doc{}, err
	}
	var d docDoc
	if err := snap.DataTo(&d); err != nil {
		return store.Doc{}, err
	}
	out := store.Doc{ID: id, Body: d.Data.Body, Order: d.Order, Rev: formatRev(snap.UpdateTime)}
	if !d.ExpireAt.IsZero() {
		out.ExpireAt = d.ExpireAt.UTC()
	}
	return out, nil
}

// formatRev returns the revision of a document that was last updated at that time. Firestore
// increases the time with every update, also when a deleted document is created again.
func formatRev(at time.Time) string { return strconv.FormatInt(at.UnixNano(), 36) }

func parseRev(rev string) (time.Time, error) {
	ns, err := strconv.ParseInt(rev, 36, 64)
	return time.Unix(0, ns), err
}
