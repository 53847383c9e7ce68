package store

import (
	"context"
	"time"
)

// Doc is a document of a collection: what syncs, records, runs and the like
// are kept as. The store knows its name, its place in time and nothing of its body.
type Doc struct {
	ID string
	// Body is bytes, JSON as a rule. At most MaxDocBytes.
	Body []byte
	// Order is the document's place in its collection's order, any number above
	// zero: microseconds since 1970 as a rule. 0: not in that order.
	Order int64
	// Rev identifies this state of the document: the store sets it anew with every
	// write. Opaque. "" for one that is not stored.
	Rev string
	// ExpireAt: when the store may delete it; zero: never. A document past it
	// may still be read.
	ExpireAt time.Time
}

// Write is one change of a commit. A commit names a document once.
type Write struct {
	Collection string
	Doc        Doc // with Delete, ID and Rev only
	Delete     bool
	// Unless Any, the document must be as the writer saw it: of revision
	// Doc.Rev, or absent where that is "".
	Any bool
}

// Listing asks for a part of a collection.
type Listing struct {
	Collection string
	// ByOrder lists by (Order, ID), only documents with an Order; otherwise by
	// ID, in the order of its UTF-8 bytes.
	ByOrder bool
	// After is the position listed last: with ByOrder (Order, ID), otherwise ID.
	// The zero Position is before the first, and with Descending after the last.
	After      Position
	Descending bool
	Limit      int // > 0
}

// Position in a listing.
type Position struct {
	Order int64
	ID    string
}

// Docs keeps documents. Collections and ids are any non-empty Unicode up to
// 1,000 bytes, together too; a driver encodes them for its own namespace
// without collisions, keeping the order of ids. A collection needs no making.
//
// The promises of [Store] hold here as well.
type Docs interface {
	// Get returns the documents with these ids in their order, nil for each
	// that is not there.
	Get(ctx context.Context, collection string, ids []string) ([]*Doc, error)

	// Commit makes all the writes or none, and returns the new revision of each
	// ("" for a deletion). ErrConflict if any document is not as its Write says.
	// Deleting what is absent with Any is no conflict. If the outcome of its own
	// commit was lost it finds out before it answers. At most MaxCommit writes and
	// MaxCommitBytes of bodies.
	Commit(ctx context.Context, writes []Write) ([]string, error)

	// List returns documents in order. A document that is there throughout and
	// whose place does not change is listed.
	List(ctx context.Context, l Listing) ([]Doc, error)

	// CountDocs returns how many documents the collection has, counting to limit.
	CountDocs(ctx context.Context, collection string, limit int) (int, error)

	// Limits of a commit and of a document.
	Limits() Limits
}

// Limits of a driver.
type Limits struct {
	MaxCommit      int // writes
	MaxCommitBytes int // of bodies
	MaxDocBytes    int
}
