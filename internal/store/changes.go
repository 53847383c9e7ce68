package store

import (
	"context"
	"net/url"
	"strings"
)

// Changes is a driver whose processes share a store, and may have nothing else in common that
// could tell them of each other's commits. Drivers whose users have a bus do not need it.
//
// A position is that of a commit in the order of all commits of documents. Both methods read,
// and wait for no write.
type Changes interface {
	// Position returns the position of the last commit.
	Position(ctx context.Context) (int64, error)
	// ChangesSince returns the documents that other processes wrote after a position, in the
	// order of their last writes, at most limit, and the position up to which that is
	// complete: the next call begins there. Deleted documents are not among them. A document
	// that this process wrote may be among them, but seldom.
	ChangesSince(ctx context.Context, position int64, limit int) (changed []Changed, upTo int64, err error)
}

// Changed names a document that was written.
type Changed struct {
	Collection Collection
	ID         string
}

// RecordType returns the organisation and the type whose records the collection has, the
// inverse of [RecordsOf]. ok is false if it has no records.
func RecordType(c Collection) (org, recordType string, ok bool) {
	first, second, two := strings.Cut(c.Scope, "/")
	org, err1 := url.PathUnescape(first)
	recordType, err2 := url.PathUnescape(second)
	return org, recordType, c.Kind == "records" && two && err1 == nil && err2 == nil
}
