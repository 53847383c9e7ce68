// Package firestorestore keeps everything in Firestore. It is the only importer
// of its SDK.
//
//	services/{service}/events/{id}                     an event, immutable; ids backwards, see spread
//	services/{service}/events/{id}/parts/{nnn}         what of a large one is over a document's limit
//	endpoints/{service}:{key}                          the bound, see bound.go
//	endpoints/{service}:{key}/pending-{hash}/{id}.{t}.{size} a pointer, unique per (id, receivedAt)
//	services/{service}/outbox/{claim id}               a claim
//	docs/{scope}/{kind}/{id}                           a document; see encodeID
//	commits/{attempt}                                  that a commit of nothing but deletions happened
//
// Invariants:
//
//   - An event and its pointer, or a claim and the deletion of the pointers it
//     took, are one commit: a WriteBatch with preconditions and no read in it.
//     Read-then-write transactions on what all instances share collapse under
//     contention; blind commits have one winner.
//   - Reads are strong, as Firestore's are.
//   - Bodies are bytes in fields that no index knows.
//
// What happens on failure: every call is bounded in time, as the client retries
// silently until its deadline. Firestore's client also repeats a Commit whose
// answer was lost, so one's own success can come back as a lost precondition:
// Append and Commit tell by the attempt kept beside the event or in the document,
// Claim by its owner.
package firestorestore

//lint:file-ignore SA1019 WriteBatch: see newBatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

const (
	// callTimeout bounds a call whose context allows more.
	callTimeout = 10 * time.Second
	// afterTimeout bounds the look at what a commit of unknown outcome did.
	afterTimeout = 5 * time.Second
	// maxClaim keeps a claim's commit, some 200 bytes a pointer, under the 4 MiB
	// that the emulator takes (production: 10 MiB).
	maxClaim = 10_000
)

// Options say which database.
type Options struct {
	Project       string
	Database      string // "" is (default)
	ClientOptions []option.ClientOption
}

// Store is a store.Store.
type Store struct {
	client         *firestore.Client
	latest         bounds
	maxCommitBytes int
	now            func() time.Time
	writes         store.Writes
	probeID        string // names this process's document of probes
}

var _ store.Store = (*Store)(nil)

// Open connects, or rather prepares to: Writable tells whether Firestore answers.
func Open(ctx context.Context, o Options) (*Store, error) {
	database := o.Database
	if database == "" {
		database = firestore.DefaultDatabaseID
	}
	c, err := firestore.NewClientWithDatabase(ctx, o.Project, database, o.ClientOptions...)
	if err != nil {
		return nil, fmt.Errorf("firestorestore: %w", err)
	}
	s := &Store{client: c, maxCommitBytes: maxDocCommitBytes, now: time.Now, probeID: "probe-" + event.RandomID()}
	s.writes.Fresh, s.writes.Retry, s.writes.Now = freshWrite, retryWrite, s.now
	if os.Getenv("FIRESTORE_EMULATOR_HOST") != "" { // by which the client decides, too
		s.maxCommitBytes = maxDocCommitBytesEmulator
	}
	return s, nil
}

// MaxClaim implements [store.Store].
func (s *Store) MaxClaim() int { return maxClaim }

// Close implements [store.Store].
func (s *Store) Close() error { return s.client.Close() }

func (s *Store) service(name string) *firestore.DocumentRef {
	return s.client.Collection("services").Doc(docID(name))
}

func (s *Store) event(service, id string) *firestore.DocumentRef {
	return s.service(service).Collection(colEvents).Doc(spread(id))
}

func (s *Store) claim(service, id string) *firestore.DocumentRef {
	return s.service(service).Collection(colOutbox).Doc(id)
}

// newBatch: WriteBatch is marked deprecated in favour of BulkWriter, which is
// not atomic, and transactions, which cost a round trip and locks.
func (s *Store) newBatch() *firestore.WriteBatch {
	return s.client.Batch()
}

// failed says what was being done. What would fail for ever is an internal
// fault; anything else means that Firestore did not answer.
func failed(what string, err error) error {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented:
		return fault.Wrap(fault.Internal, err, "firestorestore: %s", what)
	default:
		return fmt.Errorf("firestorestore: %s: %w", what, err)
	}
}

// refused is whether a commit failed because of a precondition.
func refused(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted:
		return true
	default:
		return false
	}
}

func notFound(err error) bool { return status.Code(err) == codes.NotFound }

var errBusy = errors.New("the documents kept changing")
