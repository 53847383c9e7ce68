package syncrun

import (
	"context"
	"net/url"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
)

// aliases are the ids of records by the key of their row, where these differ.
func aliases(syncID, datatype string) store.Collection {
	return store.Collection{Kind: "aliases", Scope: syncID + "/" + url.PathEscape(datatype)}
}

// stored is a record with its place in the store.
type stored struct {
	*record.Record
	rev   string
	order int64
}

func (s *Service) readRecords(ctx context.Context, c store.Collection, ids []string) ([]stored, error) {
	docs, err := s.docs.Get(ctx, c, ids)
	if err != nil {
		return nil, err
	}
	out := make([]stored, len(docs))
	for i, d := range docs {
		if d == nil {
			continue
		}
		if out[i], err = parseRecord(*d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseRecord(d store.Doc) (stored, error) {
	r, err := record.Parse(d.ID, d.Body)
	return stored{r, d.Rev, d.Order}, err
}

// write replaces the record as it was read; order 0 leaves its place as it is.
func (r *stored) write(c store.Collection, order int64) store.Write {
	if order == 0 {
		order = r.order
	}
	body := r.AppendJSON(make([]byte, 0, len(r.Data)+96))
	return store.Write{Collection: c, Doc: store.Doc{ID: r.ID, Body: body, Order: order, Rev: r.rev}}
}
