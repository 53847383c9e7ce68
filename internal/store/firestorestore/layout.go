package firestorestore

import (
	"context"
	"errors"
)

var errFormerLayout = errors.New("the database has documents of an earlier Headgate, which this one does not read: " +
	"use another database, or delete the collections commits, docs, endpoints and services")

// checkLayout returns an error if the database has documents in the layout of versions before
// 1.0. The collection "endpoints" is no proof, because another application may have one: its
// documents must have the one field that ours had.
func (s *Store) checkLayout(ctx context.Context) error {
	docs, err := s.client.Collection("endpoints").Limit(1).Documents(ctx).GetAll()
	if err != nil {
		return failed("look for a former layout", err)
	}
	for _, d := range docs {
		if _, ok := d.Data()["latest"].(int64); ok && len(d.Data()) == 1 {
			return errFormerLayout
		}
	}
	return nil
}

// Groups returns the names of the collection groups that have settings: an exemption for the
// field data, and a TTL policy for the field expireAt.
func Groups() []string { return []string{colDocs, colEvents, colMessages, colParts} }
