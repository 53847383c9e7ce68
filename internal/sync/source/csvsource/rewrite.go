package csvsource

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

func (w *rewriter) write(ctx context.Context, in *stream, out io.Writer) error {
	w.form = w.f.newForm(out)
	var r *scanner
	var line scanned
	if in != nil {
		if _, err := w.form.out.WriteString(in.charset.Mark()); err != nil {
			return err
		}
		r = w.f.scanner(ctx, in)
		r.keep = true
		var err error
		if line, err = w.begin(r); err != nil {
			return err
		}
	}
	if err := w.columns(in == nil); err != nil {
		return err
	}
	if err := w.headings(r, line); err != nil {
		return err
	}
	if r != nil {
		if err := w.copy(ctx, r); err != nil {
			return err
		}
	}
	if err := w.append(); err != nil {
		return err
	}
	return w.form.out.Flush()
}

// begin reads the beginning of the existing file.
func (w *rewriter) begin(r *scanner) (scanned, error) {
	if err := r.detect(w.f.Delimiter, w.f.format); err != nil {
		return scanned{}, err
	}
	w.form.delimiter = r.delimiter
	names, line, err := w.f.header(r)
	if errors.Is(err, errNoHeadings) && len(w.f.Columns) > 0 {
		names, err = w.f.Columns, nil
	}
	if err != nil {
		return line, err
	}
	w.names, w.old = slices.Clone(names), len(names)
	w.form.trailing = max(0, len(line.values)-w.old)
	return line, nil
}

// headings writes the line with the headings, and all lines before it.
func (w *rewriter) headings(r *scanner, line scanned) error {
	if r != nil {
		if err := w.skipped(r); err != nil {
			return err
		}
	}
	if line.text == "" { // of a new file, or of one without headings
		if !w.f.headings() {
			return nil
		}
		w.old = 0
	} else {
		w.raw = r.rawCells(line.text)
		w.form.learn(line, w.raw)
	}
	names := slices.Clone(w.names)
	for heading, column := range w.f.Headers {
		if i := slices.Index(names, column); i >= 0 {
			names[i] = heading
		}
	}
	return w.row(names, names[:w.old], cmp.Or(line.end, w.form.end))
}

// skipped writes the lines that the scanner skipped.
func (w *rewriter) skipped(r *scanner) error {
	text := string(r.skipped)
	r.skipped = r.skipped[:0]
	return w.form.raw(text, "")
}

// row writes a row. The cells that are as they were keep their form.
func (w *rewriter) row(cells, was []string, end string) error {
	out := make([]string, 0, len(cells)+w.form.trailing)
	for i, v := range cells {
		if i < len(was) && v == was[i] {
			out = append(out, w.raw[i])
		} else {
			out = append(out, w.form.cell(i, v))
		}
	}
	if n := len(was); n > 0 && n < len(w.raw) {
		out = append(out, w.raw[n:]...)
	} else {
		out = append(out, make([]string, w.form.trailing)...)
	}
	return w.form.row(out, end)
}

// empty returns n cells without a value.
func (w *rewriter) empty(n int) []string {
	cells := make([]string, n)
	if w.f.Null != nil {
		for i := range cells {
			cells[i] = nullCell
		}
	}
	return cells
}

// copy writes the existing rows with their changes. A row that cannot be read stops the
// push: a rewrite would drop the row.
func (w *rewriter) copy(ctx context.Context, r *scanner) error {
	more := w.empty(len(w.names) - w.old)
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		row, err := r.row()
		if skipErr := w.skipped(r); skipErr != nil {
			return skipErr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if row.bad != "" || len(row.values) != w.old+w.form.trailing {
			return fault.New(fault.Invalid, "line %d of the file cannot be read, and rewriting the file would lose it: correct the line first", row.line)
		}
		was := row.values[:w.old]
		cells := append(slices.Clone(was), more...)
		keep := true
		if i, ok := w.byKey[w.keyOfRow(cells)]; ok && !w.done[i] {
			w.done[i] = true
			keep = w.change(i, cells)
		}
		if n == 0 {
			w.form.learn(row, r.rawCells(row.text)[:w.old])
		}
		if !keep {
			continue
		}
		if slices.Equal(cells, was) {
			err = w.form.raw(row.text, row.end)
		} else {
			w.raw = r.rawCells(row.text)
			err = w.row(cells, was, row.end)
		}
		if err != nil {
			return err
		}
	}
}

// refuse reports whether a change has characters that the file's encoding lacks. Its row
// stays as it is; the other changes are made.
func (w *rewriter) refuse(i int) bool {
	c := &w.changes[i]
	e := w.charset.Encoder()
	if c.Op == source.Delete {
		return false
	}
	lacks := func(text string) bool {
		if text == nullCell || e == nil {
			return text != nullCell && !utf8.ValidString(text)
		}
		_, err := e.String(text)
		return err != nil
	}
	for n, k := range w.spec.Key {
		if c.Op == source.Create && n < len(c.Key) && lacks(text(c.Key[n])) {
			w.results[i].Err = fault.New(fault.Invalid, noCharacter, k)
			return true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		if c.Op == source.Update && !slices.Contains(c.Changed, name) {
			continue
		}
		if lacks(text(c.Fields[name])) || lacks(name) {
			w.results[i].Err = fault.New(fault.Invalid, noCharacter, name)
			return true
		}
	}
	return false
}

const noCharacter = "%s: the text has a character that the file's encoding cannot write"

// withNull returns the changes with nullCell for each nil, if the file has a text for NULL.
func (f *file) withNull(changes []source.Change) []source.Change {
	if f.Null == nil {
		return changes
	}
	changes = slices.Clone(changes)
	for i := range changes {
		for _, values := range []*map[string]any{&changes[i].Fields, &changes[i].Expect} {
			*values = maps.Clone(*values)
			for name, v := range *values {
				if v == nil {
					(*values)[name] = nullCell
				}
			}
		}
		for _, name := range changes[i].Changed { // a field that the record lost
			if _, ok := changes[i].Fields[name]; !ok {
				changes[i].Fields[name] = nullCell
			}
		}
	}
	return changes
}
