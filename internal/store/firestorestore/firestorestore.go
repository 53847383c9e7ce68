// Package firestorestore keeps everything in Firestore. No other package imports
// Firestore's SDK.
//
// Collections (each name begins with "headgate-"):
//
//	services/{service}/events/{id}                  an immutable event; the id is reversed, see spread
//	services/{service}/events/{id}/parts/{nnn}      the parts of an event that exceeds a document's limit
//	services/{service}/messages/{claim id}          a claim
//	services/{service}/messages/{id}/parts/{nnnnnn} the members of a claim in parts
//	endpoints/{service}:{key}                       the bound, see bound.go
//	endpoints/{service}:{key}/p-{hash}/{id}.{t}.{size} a pointer, unique per (id, receivedAt)
//	endpoints/{service}:{key}/w-{hash}/…            a pointer in a set of keys, see waitingnames.go
//	scopes/{kind}:{scope}/docs/{id}                 a document; see encodeID
//	scopes/:commits/docs/{attempt}                  the mark of a commit of deletions only
//
// A document has the fields that queries use at its top, and all others in the map "data".
// One exemption for data, which its fields inherit, keeps them out of the indexes. Every query
// uses one field, so none needs a composite index: without any setting everything works, and
// the settings only make it cheaper (docs/decisions/022).
//
// Invariants:
//
//   - An event and its pointer are one commit; so are a claim and the deletion of the
//     pointers that it took. Such a commit is a WriteBatch with preconditions, and reads
//     nothing. Read-then-write transactions on documents that all instances share collapse
//     under contention. Of several blind commits exactly one succeeds (docs/decisions/002).
//   - A commit that gives a slot to an event reads the slot before, and has the condition that
//     the slot is unchanged. So of several such commits one succeeds, and the others read again.
//   - Reads are strong, as Firestore's are.
//   - Bodies are bytes in fields without an index.
//
// Every call has a deadline, because the client retries silently until then. The client also
// repeats a Commit whose answer was lost. Our own success can therefore come back as a failed
// precondition. Append and Commit recognise it by the attempt that is stored in the event or
// document, and Claim by the claim's owner.
package firestorestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
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
	// callTimeout bounds every call, even if its context allows more. Options may set another.
	callTimeout = 10 * time.Second
	// claimLimit is the largest number of pointers in a claim. Its commit, some 200 bytes a
	// pointer, stays under the 4 MiB that the emulator takes (production: 10 MiB).
	claimLimit = 10_000
)

// Options name the database.
type Options struct {
	Project       string
	Database      string // "" is (default)
	ClientOptions []option.ClientOption
	// CallTimeout bounds every call. Zero is ten seconds, in which Firestore answers. An emulator
	// on a busy machine may need more.
	CallTimeout time.Duration
}

// Store is a store.Store.
type Store struct {
	client         *firestore.Client
	timeout        time.Duration // of every call; half of it for the read that finds out the outcome of a failed commit
	latest         bounds
	maxCommitBytes int
	wall           func() time.Time
	writes         store.Writes
	probeID        string // names this process's document of probes
	purger         purger
	layoutChecked  atomic.Bool

	services     memo[string, *firestore.DocumentRef]
	events       memo[string, *firestore.CollectionRef] // by service
	endpointDocs memo[endpointName, *firestore.DocumentRef]
	sets         memo[setName, []*firestore.CollectionRef]
}

var _ store.Store = (*Store)(nil)

// Open prepares the client. It does not wait for a connection: Writable reports whether
// Firestore answers.
func Open(ctx context.Context, o Options) (*Store, error) {
	c, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Store{client: c, timeout: cmp.Or(o.CallTimeout, callTimeout), maxCommitBytes: maxDocCommitBytes, wall: time.Now, probeID: "probe-" + event.RandomID()}
	s.purger.every, s.purger.owners, s.purger.next = purgeEvery, purgeOwners, make(map[string]string)
	s.purger.policy = make(map[string]bool)
	s.writes.Fresh, s.writes.Retry, s.writes.Now = freshWrite, retryWrite, s.wall
	if os.Getenv(emulatorVar) != "" {
		s.maxCommitBytes = maxDocCommitBytesEmulator
	}
	return s, nil
}

// MaxClaim implements [store.Store].
func (s *Store) MaxClaim() int { return claimLimit }

// Close implements [store.Store].
func (s *Store) Close() error { return s.client.Close() }

func (s *Store) service(name string) *firestore.DocumentRef {
	return s.services.get(name, func() *firestore.DocumentRef { return s.client.Collection(colServices).Doc(docID(name)) })
}

func (s *Store) event(service, id string) *firestore.DocumentRef {
	events := s.events.get(service, func() *firestore.CollectionRef { return s.service(service).Collection(colEvents) })
	return events.Doc(spread(id))
}

func (s *Store) claimRef(service, id string) *firestore.DocumentRef {
	return s.messages(service).Doc(id)
}

func (s *Store) messages(service string) *firestore.CollectionRef {
	return s.service(service).Collection(colMessages)
}

// newBatch returns a WriteBatch. The client marks it as deprecated, but BulkWriter is not
// atomic, and a transaction costs a round trip and locks.
func (s *Store) newBatch() *firestore.WriteBatch {
	return s.client.Batch()
}

// failed adds the name of the call to an error. An error that every retry would get is an
// internal fault. Any other means that Firestore did not answer, and the caller may retry.
func failed(what string, err error) error {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented:
		return fault.Wrap(fault.Internal, err, "firestorestore: %s", what)
	default:
		return fmt.Errorf("firestorestore: %s: %w", what, err)
	}
}

// refused reports whether a commit failed because of a precondition.
func refused(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted:
		return true
	default:
		return false
	}
}

func notFound(err error) bool { return status.Code(err) == codes.NotFound }

// errBusy is the error after rounds attempts that others interfered with.
var errBusy = errors.New("other writers kept changing the documents")
