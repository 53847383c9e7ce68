package csvsource

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/transform"

	"github.com/headgate/headgate/internal/platform/charset"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/sync/source"
)

// Push implements [source.Source]. It rewrites the whole file.
func (f *file) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	if f.path == "" {
		return nil, fault.Wrap(fault.Invalid, source.ErrReadOnly, "a CSV file over the network or in a bucket cannot be written: it has to be in a directory")
	}
	if !f.tidied {
		f.removeStale()
		f.tidied = true
	}
	changes = f.withNull(changes)
	for range maxTries {
		w := &rewriter{f: f, spec: spec, byKey: make(map[string]int, len(changes)), changes: changes, results: make([]source.Result, len(changes))}
		for i, c := range changes {
			w.byKey[keyOf(c.Key)] = i
		}
		temp, err := w.run(ctx)
		if err == nil {
			return w.results, nil
		}
		if temp != "" {
			_ = f.env.Dir.Remove(temp) // the error of the push matters more
		}
		if !errors.Is(err, errChanged) {
			return nil, source.WriteFault(f.path, err)
		}
	}
	return nil, fault.Wrap(fault.Conflict, errChanged,
		"somebody changed the file %s during each of %d attempts to replace it: nothing was written", f.path, maxTries)
}

// rewriter is one attempt of a push to rewrite the file. Each attempt reads the file again.
type rewriter struct {
	f       *file
	spec    source.Spec
	byKey   map[string]int
	changes []source.Change
	results []source.Result
	done    []bool

	names   []string
	keys    []int
	charset charset.Charset
	form    *form
	old     int      // columns of the existing file
	raw     []string // cells of the present row as they are written
}

func (w *rewriter) run(ctx context.Context) (temp string, err error) {
	w.done = make([]bool, len(w.changes))
	in, err := w.f.open(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if in != nil {
		defer in.Close()
		if err := source.Writable(w.f.path, in.seen.info); err != nil {
			return "", err
		}
	}
	temp, out, held, err := w.f.temporary()
	if err != nil {
		return "", err
	}
	defer func() { _ = held.Close() }() // the lock must last until the rename
	if in != nil {
		keepOwner(out, in.seen.info)
		err = out.Chmod(in.mode) // the same users may read the new file
	}
	if err == nil {
		err = w.encode(ctx, in, out)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return temp, err
	}
	if w.f.beforeRename != nil {
		w.f.beforeRename()
	}
	// The order of the checks keeps the time before the rename short. An edit after the
	// check of unchanged is lost, and Allow may take long because it renews the lease, so
	// Allow comes first. unchanged may take long too, because it can read the whole file,
	// and the lease may be lost meanwhile. So Allow is asked once more at the end, where the
	// renewed lease lets it answer at once (docs/decisions/012).
	if err := fence.Allow(ctx); err != nil {
		return temp, err
	}
	if err := w.f.unchanged(ctx, in); err != nil {
		return temp, err
	}
	if err := fence.Allow(ctx); err != nil {
		return temp, err
	}
	if err := w.f.env.Dir.Rename(temp, w.f.path); err != nil {
		return temp, err
	}
	dir, err := w.f.env.Dir.Open(filepath.Dir(w.f.path))
	if err != nil {
		return "", err
	}
	return "", errors.Join(dir.Sync(), dir.Close()) // a crash must not undo the rename
}

// encode writes the new file in the form of the old one: packed or not, and in the same
// encoding.
func (w *rewriter) encode(ctx context.Context, in *stream, file io.Writer) error {
	out, closers := file, []io.Closer{}
	if in != nil && in.packed {
		z := gzip.NewWriter(out)
		out, closers = z, append(closers, z)
	}
	w.charset, _ = charset.Named(w.f.Encoding)
	if in != nil {
		w.charset = in.charset
	}
	if e := w.charset.Encoder(); e != nil {
		t := transform.NewWriter(out, e)
		out, closers = t, append(closers, t)
	}
	err := w.write(ctx, in, out)
	for _, c := range slices.Backward(closers) {
		err = errors.Join(err, c.Close())
	}
	var unknown interface{ Replacement() byte } // package encoding's error for a character that the encoding lacks
	if errors.As(err, &unknown) {
		return fault.Wrap(fault.Invalid, err, "the new rows have characters that the file's encoding cannot write")
	}
	return err
}

// columns adds the new columns of the changes and looks up the key's columns.
func (w *rewriter) columns(created bool) error {
	if created {
		w.names = slices.Clone(w.spec.Key)
	}
	var more []string
	for i, c := range w.changes {
		if w.refuse(i) {
			w.done[i] = true // it must add no column
			continue
		}
		for name := range c.Fields {
			if !slices.Contains(w.names, name) && !slices.Contains(more, name) {
				more = append(more, name)
			}
		}
	}
	if len(more) > 0 && !w.f.headings() && !created {
		return fault.New(fault.Invalid, "the columns %q cannot be added to the file, because it has no headings", more)
	}
	slices.Sort(more)
	w.names = append(w.names, more...)
	for _, k := range w.spec.Key {
		i := slices.Index(w.names, k)
		if i < 0 {
			return fault.New(fault.Invalid, "the file has no column %q, which the key needs: its columns are %q", k, w.names)
		}
		w.keys = append(w.keys, i)
	}
	return nil
}

func (w *rewriter) keyOfRow(cells []string) string {
	parts := make([]string, len(w.keys))
	for i, k := range w.keys {
		parts[i] = w.cell(cells, k)
	}
	return joined(parts)
}

// cell returns the value of a cell as a pull returns it.
func (w *rewriter) cell(cells []string, at int) string {
	if w.f.Trim {
		return strings.TrimSpace(cells[at])
	}
	return cells[at]
}

// same reports whether a cell means the value.
func (w *rewriter) same(column, cell string, v any) bool {
	return sameCell(cell, v) || w.spec.Means(column, cell, v)
}

// change applies a change to an existing row and reports whether the row stays.
func (w *rewriter) change(i int, cells []string) bool {
	c := &w.changes[i]
	for name, v := range c.Expect {
		at := slices.Index(w.names, name)
		// A cell with this change's own value is no conflict: an earlier attempt may have
		// written it and lost its result.
		if at >= 0 && !w.same(name, w.cell(cells, at), v) && (c.Op == source.Delete || !w.same(name, w.cell(cells, at), c.Fields[name])) {
			w.results[i].Err = source.ErrMoved
			return true
		}
	}
	switch c.Op {
	case source.Delete:
		if w.spec.Deleted == "" {
			return false
		}
		if at := slices.Index(w.names, w.spec.Deleted); at >= 0 {
			cells[at] = text(w.spec.DeletedEquals)
			return true
		}
		return false
	case source.Update:
		for _, name := range c.Changed {
			if at := slices.Index(w.names, name); at >= 0 { // a missing column has no value, and none is wanted
				cells[at] = text(c.Fields[name])
			}
		}
	default:
		w.results[i].Err = w.meet(c, cells)
	}
	return true
}

// meet handles a Create whose row exists. An earlier attempt may have made it, or it was
// deleted and is marked: then it is written as a new one. Any other row is somebody else's.
func (w *rewriter) meet(c *source.Change, cells []string) error {
	mark := slices.Index(w.names, w.spec.Deleted)
	if mark < 0 || !w.spec.Marked(w.cell(cells, mark)) {
		for name, v := range c.Fields {
			if at := slices.Index(w.names, name); !w.same(name, w.cell(cells, at), v) && !slices.Contains(w.spec.Key, name) && name != w.spec.CursorTime {
				return source.ErrExists
			}
		}
		return nil
	}
	cells[mark] = text(w.spec.Live)
	for name, v := range c.Fields {
		if s := text(v); s != "" || !slices.Contains(w.spec.Key, name) {
			cells[slices.Index(w.names, name)] = s
		}
	}
	return nil
}

// append writes the new rows.
func (w *rewriter) append() error {
	for i := range w.changes {
		c := &w.changes[i]
		if w.done[i] || c.Op == source.Delete {
			continue
		}
		if c.Op == source.Update {
			w.results[i].Err = source.ErrMoved // somebody removed the row
			continue
		}
		if len(c.Key) != len(w.keys) {
			w.results[i].Err = fault.New(fault.Invalid, "the key of the file has %d columns, not %d", len(w.keys), len(c.Key))
			continue
		}
		cells := w.empty(len(w.names))
		for n, k := range w.keys {
			cells[k] = text(c.Key[n])
		}
		for name, v := range c.Fields {
			if s := text(v); s != "" || !slices.Contains(w.spec.Key, name) {
				cells[slices.Index(w.names, name)] = s
			}
		}
		if err := w.row(cells, nil, w.form.end); err != nil {
			return err
		}
	}
	return nil
}
