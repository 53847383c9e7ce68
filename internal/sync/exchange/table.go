package exchange

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

// Table is a datatype at the source of a sync, for a person who edits it there. It is read
// and written through the sync's mapping and with its credentials. Neither the store's
// records nor the sync's cursors are touched.
type Table struct {
	s        *Service
	syncID   string
	datatype string
}

// TableRows are a table's rows, mapped as records are, by key.
type TableRows = map[string]map[string]any

// maxTable is the most rows that a table may have: it is read whole, into memory.
const maxTable = 2000

// Table returns the table of a datatype. The sync need not exist yet.
func (s *Service) Table(syncID, datatype string) *Table { return &Table{s, syncID, datatype} }

// open calls f with the table's source.
func (t *Table) open(ctx context.Context, f func(source.Source, *mapping.Mapper) error) (err error) {
	d, err := t.s.o.Definitions.Get(ctx, t.syncID)
	if err != nil {
		return err
	}
	if !slices.Contains(d.Sync.Datatypes(t.s.o.Kinds), t.datatype) {
		return fault.New(fault.NotFound, "sync %q has no datatype %q", t.syncID, t.datatype)
	}
	m, err := d.Sync.Mapper(t.s.o.Kinds, t.datatype)
	if err != nil {
		return err
	}
	kind, _ := t.s.o.Kinds.Of(d.Sync.Datasource)
	src, err := kind.Open(ctx, d.Sync.Datasource, t.s.o.Env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	return f(src, m)
}

// Read returns the rows, and a version that changes whenever any of them does. Rows that
// break the mapping's rules are left out. TooLarge: there are too many rows.
func (t *Table) Read(ctx context.Context) (rows TableRows, version string, err error) {
	err = t.open(ctx, func(src source.Source, m *mapping.Mapper) error {
		rows, version, err = t.readRows(ctx, src, m)
		return err
	})
	return rows, version, err
}

func (t *Table) readRows(ctx context.Context, src source.Source, m *mapping.Mapper) (TableRows, string, error) {
	reader, err := src.Pull(ctx, source.Pull{Spec: m.Spec(), PageSize: 500})
	if err != nil {
		return nil, "", err
	}
	defer reader.Close()
	texts, bad := make(map[string]string), 0
	for {
		page, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", err
		}
		bad += len(page.Rejects)
		for _, row := range page.Rows {
			switch mapped, reject := m.Map(row); {
			case reject != nil:
				bad++
			case mapped.Deleted:
				delete(texts, mapped.Key)
			default:
				texts[mapped.Key] = string(mapped.Data)
			}
		}
		if len(texts) > maxTable {
			return nil, "", fault.New(fault.TooLarge, "the source has more than %d rows of %s", maxTable, t.datatype)
		}
	}
	if bad > 0 {
		t.s.o.Log.Warn("a table leaves out rows of its source that break the mapping's rules", "syncId", t.syncID, "datatype", t.datatype, "rows", bad)
	}
	rows, sum := make(TableRows, len(texts)), sha256.New()
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if rows[key], err = record.Decode([]byte(texts[key])); err != nil {
			return nil, "", err
		}
		fmt.Fprintf(sum, "%d %s%d %s", len(key), key, len(texts[key]), texts[key])
	}
	return rows, hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// Write changes the rows that were seen at the version into rows. It returns the keys that
// the source gave to new rows, by the keys that they have in rows. source.ErrMoved: the
// source has another version by now, or one of the rows changed during the write; then
// some changes may be written.
func (t *Table) Write(ctx context.Context, rows, seen TableRows, version string) (named map[string]string, err error) {
	err = t.open(ctx, func(src source.Source, m *mapping.Mapper) error {
		if _, now, err := t.readRows(ctx, src, m); err != nil || now != version {
			return cmp.Or(err, source.ErrMoved)
		}
		changes, ids, err := t.changes(src, m, rows, seen)
		if err != nil {
			return err
		}
		named = make(map[string]string)
		size := max(1, src.PushSize())
		for from := 0; from < len(changes); from += size {
			to := min(len(changes), from+size)
			results, err := src.Push(ctx, m.Spec(), changes[from:to])
			if err != nil {
				return err
			}
			if err := t.took(results, ids[from:to], named); err != nil {
				return err
			}
		}
		return nil
	})
	return named, err
}

// took notes the keys that the source gave, or returns the error of a change that it
// refused.
func (t *Table) took(results []source.Result, ids []string, named map[string]string) error {
	if len(results) != len(ids) {
		return fmt.Errorf("push %s: %d results for %d changes", t.datatype, len(results), len(ids))
	}
	for i, r := range results {
		switch {
		case errors.Is(r.Err, source.ErrMoved):
			return source.ErrMoved
		case r.Err != nil:
			code := fault.Invalid
			if fault.CodeOf(r.Err) == fault.Unavailable {
				code = fault.Unavailable
			}
			return fault.Wrap(code, r.Err, "the source refuses row %.100q: %s; others may be saved", ids[i], run.Explain(r.Err))
		}
		if len(r.Key) == 0 {
			continue
		}
		key, err := mapping.JoinKey(r.Key)
		if err != nil {
			return err
		}
		if key != ids[i] {
			named[ids[i]] = key
		}
	}
	return nil
}

// changes returns the changes that turn the rows that were seen into rows. Deletions are
// last, so that a write which fails half-way has lost nothing.
func (t *Table) changes(src source.Source, m *mapping.Mapper, rows, seen TableRows) (changes []source.Change, ids []string, err error) {
	add := func(id string, c source.Change) {
		c.ID, c.Attempt = id, t.s.o.Random()
		changes, ids = append(changes, c), append(ids, id)
	}
	columns := func(row map[string]any) (map[string]any, error) {
		fields, reject := m.Unmap(row)
		if reject != nil {
			return nil, fault.New(fault.Invalid, "%s %s", reject.Field, reject.Reason)
		}
		return fields, nil
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		fields, err := columns(rows[id])
		if err != nil {
			return nil, nil, err
		}
		old, known := seen[id]
		if !known {
			add(id, source.Change{Op: source.Create, Key: m.NewKey(src, id, fields), Fields: fields})
			continue
		}
		expect, err := columns(old)
		if err != nil {
			return nil, nil, err
		}
		var changed []string
		for _, d := range record.Diff(expect, fields, nil) {
			changed = append(changed, d.Field)
		}
		if len(changed) > 0 {
			add(id, source.Change{Op: source.Update, Key: m.Unkey(id), Fields: fields, Changed: changed, Expect: mapping.Pick(expect, changed)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		if _, kept := rows[id]; kept {
			continue
		}
		expect, err := columns(seen[id])
		if err != nil {
			return nil, nil, err
		}
		add(id, source.Change{Op: source.Delete, Key: m.Unkey(id), Expect: expect})
	}
	return changes, ids, nil
}
