package store

import (
	"context"
	"net/url"
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

// Collection names a set of documents. It needs no making.
type Collection struct {
	// Kind is one of a fixed set of lower-case ASCII words ("records", "syncs",
	// "runs"): the store's settings, such as indexes, go by it.
	Kind string
	// Scope tells collections of a kind apart: any Unicode, empty too.
	Scope string
}

// Write is one change of a commit. A commit names a document once.
type Write struct {
	Collection Collection
	Doc        Doc // with Delete, ID and Rev only
	Delete     bool
	// Unless Any, the document must be as the writer saw it: of revision
	// Doc.Rev, or absent where that is "". A deletion needs a Rev or Any.
	Any bool
}

// Listing asks for a part of a collection.
type Listing struct {
	Collection Collection
	// ByOrder lists by (Order, ID), only documents with an Order; otherwise by
	// ID, in the order of its UTF-8 bytes.
	ByOrder bool
	// After is the position listed last: with ByOrder (Order, ID), otherwise ID.
	// The zero Position is before the first, and with Descending after the last.
	After      Position
	Descending bool // with ByOrder only
	Limit      int  // > 0
	// Bytes > 0 ends the list with the document whose body brings the sum of all
	// bodies to as many bytes: see Over.
	Bytes int
}

// PageBytes is a sum of bodies that a page may well have in memory.
const PageBytes = 8 << 20

// Over reports whether nothing follows the documents that were listed: a list that
// Bytes cut short is shorter than Limit, too.
func (l Listing) Over(docs []Doc) bool {
	return len(docs) < l.Limit && !l.full(docs)
}

func (l Listing) full(docs []Doc) bool {
	sum := 0
	for _, d := range docs {
		sum += len(d.Body)
	}
	return l.Bytes > 0 && sum >= l.Bytes
}

// Position in a listing.
type Position struct {
	Order int64
	ID    string
}

// Docs keeps documents. An id is any non-empty Unicode; it and the scope have at
// most 1,000 bytes each. A driver encodes them for its own namespace without
// collisions, keeping the order of ids.
//
// The promises of [Store] hold here as well.
type Docs interface {
	// Get returns the documents with these ids in their order, nil for each
	// that is not there.
	Get(ctx context.Context, collection Collection, ids []string) ([]*Doc, error)

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
	CountDocs(ctx context.Context, collection Collection, limit int) (int, error)

	// Limits of a commit and of a document.
	Limits() Limits
}

// Limits of a driver.
type Limits struct {
	MaxCommit      int // writes
	MaxCommitBytes int // of bodies
	MaxDocBytes    int
}

// RecordsOf returns the collection of an organisation's records of a type.
func RecordsOf(org, recordType string) Collection {
	return Collection{Kind: "records", Scope: url.PathEscape(org) + "/" + url.PathEscape(recordType)}
}
