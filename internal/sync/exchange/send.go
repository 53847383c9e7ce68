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
	list = []*entity.Entity{}
	for bytes := 0; ; {
		docs, err := s.docs.List(ctx, store.Listing{
			Collection: store.RecordsOf(d.Sync.OrgID, datatype), After: store.Position{ID: after}, Limit: min(500, skip+limit-len(list)), Bytes: store.PageBytes,
		})
		if err != nil {
			return nil, "", err
		}
		if len(docs) == 0 {
			return list, "", nil
		}
		for _, doc := range docs {
			after = doc.ID
			if skip > 0 {
				skip--
				continue
			}
			r, err := record.Parse(doc.ID, doc.Body)
			if err != nil {
				return nil, "", err
			}
			bytes += len(doc.Body)
			if list = append(list, entity.Of(r)); len(list) == limit || bytes >= store.PageBytes {
				return list, after, nil
			}
		}
	}
}
