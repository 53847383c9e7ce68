package exchange

import (
	"context"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
)

// Send returns records of the sync's organisation in the order of their ids. It starts
// after the given id, passes over skip records, and returns at most limit, fewer where
// they are large. next is the id to pass as after for the next page; "" at the end.
//
// Deleted records keep their place, so a caller never misses a record that exists
// throughout. A record that is created between two calls that use skip can shift the
// later page by one: the caller then gets a record twice.
func (s *Service) Send(ctx context.Context, id, datatype, after string, skip, limit int) (list []*entity.Entity, next string, err error) {
	d, err := s.o.Definitions.Get(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if datatype, err = s.datatypeOf(&d.Sync, datatype); err != nil {
		return nil, "", err
	}
	page := store.Paged[*entity.Entity]{Limit: limit, Items: []*entity.Entity{}}
	for {
		docs, err := s.docs.List(ctx, store.Listing{
			Collection: store.RecordsOf(d.Sync.OrgID, datatype), After: store.Position{ID: after}, Limit: min(500, skip+page.Want()), Bytes: store.PageBytes,
		})
		if err != nil {
			return nil, "", err
		}
		if len(docs) == 0 {
			return page.Items, "", nil
		}
		for _, doc := range docs {
			if skip > 0 {
				skip--
				after = doc.ID
				continue
			}
			r, err := record.Parse(doc.ID, doc.Body)
			if err != nil {
				return nil, "", err
			}
			if !page.Add(entity.Of(r), len(doc.Body)) {
				return page.Items, after, nil
			}
			after = doc.ID
		}
	}
}
