package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// read reads all rows of the source, and keeps their keys.
func (r *relinker) read(ctx context.Context, datatype string) error {
	m, err := r.def.Mapper(r.svc.kinds, datatype)
	if err != nil {
		return err
	}
	kind, ok := r.svc.kinds.Of(r.def.Datasource)
	if !ok {
		return fault.New(fault.Invalid, "%s", r.svc.kinds.Check(r.def.Datasource)[0].Message)
	}
	src, err := kind.Open(ctx, r.def.Datasource, r.svc.o.Env)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	spec := m.Spec()
	if len(spec.Mapped) > 0 {
		spec.Mapped = slices.Concat(spec.Mapped, r.out.From)
	}
	reader, err := src.Pull(ctx, source.Pull{Spec: spec, PageSize: pageSize})
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	for {
		page, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return r.apart()
		}
		if err != nil {
			return err
		}
		for i := range page.Rejects {
			if err := r.reject(&page.Rejects[i]); err != nil {
				return err
			}
		}
		for _, row := range page.Rows {
			if err := r.add(m, row); err != nil {
				return err
			}
		}
		if err := r.keys.take(ctx); err != nil {
			return err
		}
	}
}

// add keeps a row's two keys.
func (r *relinker) add(m *mapping.Mapper, row source.Row) error {
	values := make([]any, len(r.out.From))
	for i, column := range r.out.From {
		values[i], _ = row.Get(column)
	}
	item, reject := m.Map(row)
	key := item.Key
	if reject != nil { // perhaps for another field
		key = reject.Key
		r.out.Rejected++
		r.keys.reject(key)
	} else {
		r.out.Rows++
	}
	return r.pair(values, key)
}

// reject keeps the keys of a row that the source rejects, if they are there.
func (r *relinker) reject(reject *source.Reject) error {
	r.out.Rejected++
	raw, _ := reject.Raw.(map[string]any)
	values := make([]any, len(r.out.From))
	for i, column := range r.out.From {
		v, ok := raw[column]
		if !ok {
			r.blind = cmp.Or(r.blind, reject)
			return nil
		}
		values[i] = v
	}
	to := make([]any, len(r.out.To))
	for i, column := range r.out.To {
		to[i] = raw[column]
	}
	key, err := mapping.JoinKey(to) // the reject's own key is for people
	if err != nil {
		key = ""
	}
	r.keys.reject(key)
	return r.pair(values, key)
}

// pair keeps the old key, of these values, and the new key of a row; "" if it has none.
func (r *relinker) pair(values []any, key string) error {
	if r.out.Rows+r.out.Rejected > maxCount {
		return fault.New(fault.Invalid, "the source has more than %d rows, which is the most that can be linked anew", maxCount)
	}
	if _, twice := r.keys.records[key]; twice {
		return fault.New(fault.Conflict, "two rows have the new key %q: its columns %q do not identify a row", key, r.out.To)
	}
	old, err := mapping.JoinKey(values)
	if err != nil {
		if key != "" {
			r.keys.addNew(key)
		}
		return nil
	}
	if _, twice := r.keys.newOf[old]; twice {
		return fault.New(fault.Conflict, "two rows have the old key %q: its columns %q do not identify a row", old, r.out.From)
	}
	r.keys.add(old, key)
	return nil
}

// apart refuses a new key that is another row's old one.
func (r *relinker) apart() error {
	for old, key := range r.keys.newOf {
		if other, there := r.keys.newOf[key]; there && key != old {
			return fault.New(fault.Conflict, "the new key %q of a row is the old key of the row %q as well, so a link could mean either: give the sync a new id", key, cmp.Or(other, key))
		}
	}
	return nil
}

// whereOf says which row was rejected, and why.
func whereOf(r *source.Reject) string {
	if r.Line > 0 {
		return fmt.Sprintf("line %d: %s", r.Line, r.Reason)
	}
	return r.Reason
}
