package store

import (
	"context"
	"net/url"
	"time"
)

// Doc is a document of a collection. Syncs, records, runs and the like are documents
// (docs/decisions/006). The store knows a document's id, order and expiry, and never looks
// into its body.
type Doc struct {
	ID string
	// Body is usually JSON, but may be any bytes. At most MaxDocBytes.
	Body []byte
	// Order is the document's position in its collection's order: a number above zero,
	// usually microseconds since 1970. 0 leaves the document out of that order.
	Order int64
	// Rev identifies this state of the document. The store sets a new one with every write.
	// It is opaque, and "" for a document that is not stored.
	Rev string
	// ExpireAt is the time from which the store may delete the document; zero means never.
	// An expired document may still be read until then.
	ExpireAt time.Time
}

// Collection names a set of documents. A collection exists as soon as a document is written
// to it.
type Collection struct {
	// Kind is one of a fixed set of lower-case ASCII words ("records", "syncs", "runs").
	// The store's settings, such as indexes, depend on it.
	Kind string
	// Scope distinguishes collections of a kind. It is any Unicode, and may be empty.
	Scope string
}

// Write is one change of a commit. A commit names a document once.
type Write struct {
	Collection Collection
	Doc        Doc // with Delete, ID and Rev only
	Delete     bool
	// Any makes the write unconditional. Otherwise the document must be as the writer saw
	// it: it must have the revision Doc.Rev, or be absent if that is "". A deletion needs a
	// Rev or Any.
	Any bool
}

// Listing asks for a part of a collection.
type Listing struct {
	Collection Collection
	// ByOrder lists by (Order, ID), and leaves out documents without an Order. Without
	// ByOrder, the list is by ID, in the order of its UTF-8 bytes.
	ByOrder bool
	// After is the position listed last: (Order, ID) with ByOrder, otherwise ID. The zero
	// Position is before the first document, and with Descending after the last.
	After      Position
	Descending bool
	Limit      int // > 0
	// Bytes, if above zero, ends the list with the document whose body brings the sum of all
	// bodies to that many bytes. See Over.
	Bytes int
}

// PageBytes is a sum of bodies that a caller can well hold in memory.
const PageBytes = 8 << 20

// Over reports whether docs, the answer to l, ends the listing. A list shorter than Limit is
// the last one, unless Bytes cut it short.
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

// Position is a place in a listing.
type Position struct {
	Order int64
	ID    string
}

// Docs keeps documents. An id is any non-empty Unicode. An id and a scope have at most
// 1,000 bytes each. A driver encodes them for its own namespace without collisions, and
// keeps the order of ids.
//
// The promises of [Store] hold here as well.
type Docs interface {
	// Get returns the documents with these ids, in the order of the ids, and nil for each
	// document that does not exist.
	Get(ctx context.Context, collection Collection, ids []string) ([]*Doc, error)

	// Commit makes all of the writes or none, and returns the new revision of each document
	// ("" for a deletion). It returns ErrConflict if any document differs from what its Write
	// expects. Deleting an absent document with Any is no conflict. If the answer to its own
	// commit was lost, it reads the documents to find out before it answers. At most MaxCommit
	// writes and MaxCommitBytes of bodies.
	Commit(ctx context.Context, writes []Write) ([]string, error)

	// List returns documents in order. Page by page, a document is listed for certain if it
	// exists throughout and keeps its position.
	List(ctx context.Context, l Listing) ([]Doc, error)

	// CountDocs returns the number of documents in the collection, or limit if there are
	// more.
	CountDocs(ctx context.Context, collection Collection, limit int) (int, error)

	// Limits returns the limits of a commit and of a document.
	Limits() Limits
}

// Limits are a driver's limits.
type Limits struct {
	MaxCommit      int // writes
	MaxCommitBytes int // of bodies
	MaxDocBytes    int
}

// RecordsOf returns the collection of an organisation's records of a type.
func RecordsOf(org, recordType string) Collection {
	return Collection{Kind: "records", Scope: url.PathEscape(org) + "/" + url.PathEscape(recordType)}
}
