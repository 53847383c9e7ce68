package csvsource

import (
	"bufio"
	"io"
	"slices"
	"strings"
)

// form writes rows in the form that a file has already. What a push does not change keeps
// its bytes: line ends, quotes, comments and all else that means nothing to us but may mean
// something to another program.
type form struct {
	out       *bufio.Writer
	delimiter byte
	comment   byte
	null      *string
	end       string // line end of new rows
	quoted    []bool // by column: whether a value has quotes that it does not need
	trailing  int    // columns without a heading at the end of each row
	open      bool   // the last line has no line end yet
}

func (f *file) newForm(out io.Writer) *form {
	w := &form{out: bufio.NewWriterSize(out, bufferSize), delimiter: ',', end: "\n", null: f.Null}
	switch {
	case f.Delimiter != "":
		w.delimiter = f.Delimiter[0]
	case f.format == "tsv":
		w.delimiter = '\t'
	}
	if f.Comment != "" {
		w.comment = f.Comment[0]
	}
	return w
}

// learn takes the form of new rows from an existing one.
func (w *form) learn(row scanned, cells []string) {
	if row.end != "" {
		w.end = row.end
	}
	w.quoted = make([]bool, len(cells))
	for i, c := range cells {
		w.quoted[i] = strings.HasPrefix(c, `"`)
	}
}

// raw writes lines as they are.
func (w *form) raw(text, end string) error {
	if text+end == "" {
		return nil
	}
	if w.open {
		if _, err := w.out.WriteString(w.end); err != nil {
			return err
		}
	}
	if _, err := w.out.WriteString(text); err != nil {
		return err
	}
	_, err := w.out.WriteString(end)
	w.open = end == "" && !strings.HasSuffix(text, "\n") && !strings.HasSuffix(text, "\r")
	return err
}

// row writes a row of cells that are written out already.
func (w *form) row(cells []string, end string) error {
	return w.raw(strings.Join(cells, string(w.delimiter)), end)
}

// cell writes out a value for the column.
func (w *form) cell(column int, value string) string {
	if value == nullCell {
		return *w.null
	}
	all := len(w.quoted) > 0 && !slices.Contains(w.quoted, false) // also for columns that are new
	if column < len(w.quoted) && w.quoted[column] || all || w.needsQuotes(column, value) {
		return `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
	}
	return value
}

// needsQuotes reports whether a value without quotes would be read as another one, or the
// line as none.
func (w *form) needsQuotes(column int, value string) bool {
	return strings.ContainsAny(value, "\"\r\n") || strings.IndexByte(value, w.delimiter) >= 0 ||
		w.null != nil && value == *w.null ||
		value != "" && (value[0] == ' ' || value[0] == '\t' || value[len(value)-1] == ' ') ||
		column == 0 && w.comment != 0 && strings.HasPrefix(value, string(w.comment))
}

// rawCells returns the cells of a row as they are written.
func (s *scanner) rawCells(text string) []string {
	var cells []string
	for {
		_, rest, more, _ := s.value(text) // the row was read before
		if !more {
			return append(cells, text)
		}
		cells = append(cells, text[:len(text)-len(rest)-1])
		text = rest
	}
}
