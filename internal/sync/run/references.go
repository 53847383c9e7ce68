package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// unknown moves the items of a page that name a record which does not exist to its rejects.
// Deleted rows name nothing. A validation does not look at types that the same run would
// pull first: their records are not there yet.
func (p *puller) unknown(ctx context.Context, m *mapped) error {
	references := p.mapper.References()
	for _, field := range slices.Sorted(maps.Keys(references)) {
		datatype := references[field]
		if p.e.dry() && slices.Contains(p.def.Datatypes(p.e.svc.kinds), datatype) {
			continue
		}
		names := make([]string, len(m.items))
		ask := make(map[string]bool)
		for i, item := range m.items {
			data, err := record.Decode(item.Data)
			if err != nil {
				return err
			}
			if v := data[field]; v != nil && !item.Deleted {
				if names[i], err = mapping.JoinKey([]any{v}); err == nil {
					ask[names[i]] = true
				}
			}
		}
		known, err := p.present(ctx, datatype, slices.Sorted(maps.Keys(ask)))
		if err != nil {
			return err
		}
		var kept []mapping.Mapped
		for i, item := range m.items {
			if names[i] == "" || known[names[i]] {
				kept = append(kept, item)
				continue
			}
			m.rejects = append(m.rejects, source.Reject{Key: item.Key, Field: field, Reason: fmt.Sprintf("there is no %s %q", datatype, names[i])})
		}
		m.items = kept
	}
	return nil
}

// present returns which of the ids, or of the keys that the sync knows them by, are those
// of records that are not deleted.
func (p *puller) present(ctx context.Context, datatype string, ids []string) (map[string]bool, error) {
	known := make(map[string]bool, len(ids))
	records := NewRecords(p.docs, p.def, datatype)
	for part := range slices.Chunk(ids, 500) {
		found, err := records.Locate(ctx, part, true)
		if err != nil {
			return nil, err
		}
		for i, r := range found {
			known[part[i]] = r.Record != nil && !r.Deleted
		}
	}
	return known, nil
}
