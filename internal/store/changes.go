package store

import (
	"context"
	"net/url"
	"strings"
)

// Changes is implemented by a driver whose processes may share nothing but the store, so that
// only the store can tell one process of another's commits. A driver whose processes share a
// bus does not need it.
//
// A position is the place of a commit in the order of all commits of documents. Both methods
// only read, and wait for no write.
type Changes interface {
	// Position returns the position of the last commit.
	Position(ctx context.Context) (int64, error)
	// ChangesSince returns at most limit documents that other processes wrote after a position,
	// in the order of their last writes. The list is complete up to the position upTo, where
	// the next call begins. Deleted documents are not in it. Rarely, it has a document that
	// this process wrote.
	ChangesSince(ctx context.Context, position int64, limit int) (changed []Changed, upTo int64, err error)
}

// Changed names a document that was written.
type Changed struct {
	Collection Collection
	ID         string
}

// RecordType returns the organisation and the type whose records the collection has. It is the
// inverse of [RecordsOf]. ok is false if the collection has no records.
func RecordType(c Collection) (org, recordType string, ok bool) {
	first, second, two := strings.Cut(c.Scope, "/")
	org, err1 := url.PathUnescape(first)
	recordType, err2 := url.PathUnescape(second)
	return org, recordType, c.Kind == "records" && two && err1 == nil && err2 == nil
}
