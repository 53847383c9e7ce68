package flow

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/platform/etag"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/exchange"
	"github.com/headgate/headgate/internal/sync/source"
)

// recordsOf is a draft's source: the records of a type.
type recordsOf struct {
	records *entity.Service
	orgID   string
	typ     string
}

// maxRows is the largest number of rows of a draft.
const maxRows = 2000

func (r recordsOf) list(ctx context.Context) ([]*entity.Entity, error) {
	all, next, err := r.records.List(ctx, r.orgID, r.typ, "", maxRows+1, false)
	if err == nil && (next != "" || len(all) > maxRows) {
		err = fault.New(fault.TooLarge, "a draft can hold at most %d records of type %s, and at most %d MiB of them", maxRows, r.typ, store.PageBytes>>20)
	}
	return all, err
}

// Fetch implements [draft.Source]. The version that it returns has the version of each
// record, so that Save does not overwrite a record that changed since.
func (r recordsOf) Fetch(ctx context.Context) (draft.Rows, string, error) {
	all, err := r.list(ctx)
	if err != nil {
		return nil, "", err
	}
	rows, versions := make(draft.Rows, len(all)), make(map[string]int64, len(all))
	for _, e := range all {
		var row draft.Row
		if err := draft.Decode(e.Data, &row); err != nil {
			return nil, "", err
		}
		rows[e.ID], versions[e.ID] = row, e.Version
	}
	text, err := json.Marshal(versions)
	return rows, string(text), err
}

// Save implements [draft.Source]. It writes each record that the draft changed, on the
// condition that its version is still the one that was fetched.
func (r recordsOf) Save(ctx context.Context, rows, seen draft.Rows, version string) (map[string]string, error) {
	var versions map[string]int64
	if err := json.Unmarshal([]byte(version), &versions); err != nil {
		return nil, err
	}
	tag := func(id string) string { return etag.Of(versions[id]) }
	for id, row := range rows {
		before, there := seen[id]
		if there && draft.SameRow(row, before) {
			continue
		}
		match := ""
		if there {
			match = tag(id)
		}
		if _, _, err := r.records.Put(ctx, r.orgID, r.typ, id, row, match, !there); err != nil {
			return nil, moved(err)
		}
	}
	for id := range seen {
		if _, kept := rows[id]; kept {
			continue
		}
		if err := r.records.Delete(ctx, r.orgID, r.typ, id, tag(id)); err != nil && fault.CodeOf(err) != fault.NotFound {
			return nil, moved(err)
		}
	}
	return nil, nil
}

// moved translates the error of a record that changed since it was fetched.
func moved(err error) error {
	if fault.CodeOf(err) == fault.PreconditionFailed {
		return draft.ErrSourceChanged
	}
	return err
}

// tableOf is a draft's source: the rows of a datatype at a sync's source.
type tableOf struct{ table *exchange.Table }

// Fetch implements [draft.Source].
func (t tableOf) Fetch(ctx context.Context) (draft.Rows, string, error) { return t.table.Read(ctx) }

// Save implements [draft.Source].
func (t tableOf) Save(ctx context.Context, rows, seen draft.Rows, version string) (map[string]string, error) {
	named, err := t.table.Write(ctx, rows, seen, version)
	if errors.Is(err, source.ErrMoved) {
		err = draft.ErrSourceChanged
	}
	return named, err
}
