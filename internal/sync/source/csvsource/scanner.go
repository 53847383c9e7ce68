package csvsource

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/fault"
)

// maxRow bounds the bytes of a row. Otherwise a quote that is never closed would turn the
// rest of the file into one value.
const maxRow = 4 << 20

// maxColumns bounds the values of a row, because even an empty value takes memory.
const maxColumns = 4096

const tooManyValues = "the row has more than 4096 values"

// scanner splits text into rows of values by RFC 4180. A quoted value may hold any text; a
// quote in it is doubled. Lines end with LF, CRLF or CR, also mixed. Lines without any value
// are skipped: empty ones, those of delimiters and white space alone, which spreadsheets
// write, comments, and a first line such as sep=; that names the delimiter.
// The scanner allocates one string for each row, and the row's values are parts of it.
//
// It replaces encoding/csv, which reads the rest of a file as one value after a quote that
// is never closed, and turns CRLF within a value into LF.
type scanner struct {
	r          io.Reader
	buf        []byte
	start, end int // bounds of the bytes that were read and not yet consumed
	eof        bool
	before     int64 // bytes of text that are no longer in buf
	line       int64 // line of buf[start], from 1
	ends       byte  // last byte of the line end to look for first, see lineEnd
	delimiter  byte
	comment    byte    // first byte of a comment line; 0: there are none
	null       *string // the unquoted value that stands for NULL, which is read as nullCell
	values     []string
	keep       bool   // collect the skipped lines, for a copy of the file
	skipped    []byte // the lines that were skipped since the caller last took them
	// alive returns an error if reading must end. A small packed file can hold text for
	// hours.
	alive func() error
}

// scanned is one row. Its values are valid until the next row is read.
type scanned struct {
	values []string
	line   int64
	bad    string // why the row cannot be read
	text   string // the row as it is written, without its line end
	end    string // the line end; "" at the end of the file
}

func newScanner(ctx context.Context, r io.Reader) *scanner {
	return &scanner{r: r, buf: make([]byte, bufferSize), line: 1, ends: '\n', delimiter: ',', alive: ctx.Err}
}

// offset returns how many bytes of text were consumed.
func (s *scanner) offset() int64 { return s.before + int64(s.start) }

// fill reads more text and reports whether there was any.
func (s *scanner) fill() (bool, error) {
	if s.eof {
		return false, nil
	}
	if err := s.alive(); err != nil {
		return false, err
	}
	if s.start > 0 {
		s.before += int64(s.start)
		copy(s.buf, s.buf[s.start:s.end])
		s.end -= s.start
		s.start = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if errors.Is(err, io.EOF) {
			s.eof = true
			return n > 0, nil
		}
		if err != nil {
			return false, readError(err)
		}
		if n > 0 {
			return true, nil
		}
	}
}

// skipTo continues at an offset and a line at which an earlier scanner stopped.
func (s *scanner) skipTo(offset, line int64) error {
	for s.offset() < offset {
		if s.start == s.end {
			more, err := s.fill()
			if err != nil {
				return err
			}
			if !more {
				return fault.New(fault.Conflict, "the file is shorter than it was: run the sync again")
			}
		}
		s.start += int(min(offset-s.offset(), int64(s.end-s.start)))
	}
	s.line = line
	return nil
}

// detect chooses the delimiter: the given one, the one that a line such as sep=; names, or
// the candidate that occurs most often in the first line outside of quotes.
func (s *scanner) detect(given, format string) error {
	first, err := s.firstLine()
	if err != nil {
		return err
	}
	named := namedDelimiter(first)
	if named != 0 {
		s.skip(len(first))
	}
	switch {
	case given != "":
		s.delimiter = given[0]
		return nil
	case named != 0:
		s.delimiter = named
		return nil
	case format == "tsv":
		s.delimiter = '\t'
		return nil
	}
	counts := map[byte]int{}
	quoted := false
	for _, c := range s.buf[s.start:s.end] { // a heading may have a line end in quotes
		if c == '"' {
			quoted = !quoted
		}
		if quoted {
			continue
		}
		if c == '\n' || c == '\r' {
			break
		}
		counts[c]++
	}
	best := byte(',')
	for _, c := range []byte{';', '\t', '|'} {
		if counts[c] > counts[best] {
			best = c
		}
	}
	s.delimiter = best
	return nil
}

// row returns the next row, or io.EOF. It skips lines without values.
func (s *scanner) row() (scanned, error) {
	for {
		if skipped, err := s.skipComment(); err != nil {
			return scanned{}, err
		} else if skipped {
			continue
		}
		text, quoted, closed, err := s.peek()
		if err != nil {
			return scanned{}, err
		}
		line := s.line
		if !closed { // reject the first line of the row and continue with the second
			return s.giveUp(line)
		}
		n := len(trimEnd(text))
		if !quoted && s.blank(text[:n]) {
			s.skip(len(text))
			continue
		}
		s.start += len(text)
		s.line += 1
		if quoted {
			s.line += countLineEnds(text[:n])
		}
		owned := string(text)
		out := scanned{line: line, text: owned[:n], end: owned[n:]}
		switch {
		case !utf8.ValidString(owned):
			out.bad = "the row has bytes that stand for no character of the file's encoding: set options.encoding (utf-8, latin-1, windows-1252, utf-16)"
		case quoted:
			out.values, out.bad = s.splitQuoted(out.text)
		default:
			out.values, out.bad = s.split(out.text)
		}
		return out, nil
	}
}

// peek returns the bytes of the next row with its line end, and does not consume them.
// closed is false if a quote is still open at the end of the text or the row is too long.
func (s *scanner) peek() (text []byte, quoted, closed bool, err error) {
	searched := 0
	for {
		data := s.buf[s.start:s.end]
		if !quoted {
			n := s.lineEnd(data, searched)
			part := data[searched:]
			if n >= 0 {
				part = data[searched:n]
			}
			if bytes.IndexByte(part, '"') < 0 {
				if n >= 0 {
					return data[:n], false, n <= maxRow, nil
				}
				searched = max(0, len(data)-1) // the last byte may be the CR of a CRLF
			} else {
				quoted = true
			}
		}
		if quoted {
			if n := endOfQuoted(data, s.delimiter, s.eof); n >= 0 {
				return data[:n], true, n <= maxRow, nil
			}
			searched = 0
		}
		if len(data) > maxRow {
			return data, quoted, false, nil
		}
		more, err := s.fill()
		if err != nil {
			return nil, false, false, err
		}
		if !more {
			data = s.buf[s.start:s.end]
			if len(data) == 0 {
				return nil, false, false, io.EOF
			}
			return data, quoted, !quoted || balanced(data, s.delimiter), nil
		}
	}
}

// endOfQuoted returns the length of the first row, which has quotes, with its line end. It
// returns -1 if data does not hold the whole row. last reports whether no more bytes follow
// data.
func endOfQuoted(data []byte, delimiter byte, last bool) int {
	inside, first := false, true
	for i := 0; i < len(data); i++ {
		c := data[i]
		switch {
		case inside:
			j := bytes.IndexByte(data[i:], '"')
			if j < 0 {
				return -1
			}
			i += j
			if i+1 < len(data) && data[i+1] == '"' {
				i++
				continue
			}
			if i+1 == len(data) {
				return -1 // the next byte may be a second quote
			}
			inside = false
		case c == '\n' || c == '\r':
			return endOfLine(data, i, last)
		case c == '"' && first:
			inside = true
		case c == delimiter:
			first = true
			continue
		}
		first = false
	}
	return -1
}

// balanced reports whether all quotes are closed in the last row, which has no line end.
func balanced(data []byte, delimiter byte) bool {
	return endOfQuoted(append(data[:len(data):len(data)], '\n'), delimiter, true) == len(data)+1
}

// giveUp consumes the first line and returns it as a bad row. The rows after it are read.
func (s *scanner) giveUp(line int64) (scanned, error) {
	data := s.buf[s.start:s.end]
	n := s.lineEnd(data, 0)
	text := string(trimEnd(data[:cmp.Or(max(n, 0), len(data))]))
	bad := "a quote is opened and never closed"
	if len(text) > maxRow {
		bad = "the row is longer than 4 MiB"
	}
	s.line++
	if n >= 0 {
		s.start += n
	} else if err := s.skipLine(); err != nil { // the rest of a long line must not be read as a row
		return scanned{}, err
	}
	return scanned{line: line, bad: bad, text: text}, nil
}

// split splits a row without quotes.
func (s *scanner) split(text string) (values []string, bad string) {
	s.values = s.values[:0]
	for {
		if len(s.values) == maxColumns {
			return nil, tooManyValues
		}
		i := strings.IndexByte(text, s.delimiter)
		if i < 0 {
			s.values = append(s.values, s.unquoted(text))
			return s.values, ""
		}
		s.values = append(s.values, s.unquoted(text[:i]))
		text = text[i+1:]
	}
}

// splitQuoted splits a row with quotes.
func (s *scanner) splitQuoted(text string) (values []string, bad string) {
	s.values = s.values[:0]
	for {
		if len(s.values) == maxColumns {
			return nil, tooManyValues
		}
		value, rest, more, bad := s.value(text)
		if bad != "" {
			return nil, bad
		}
		s.values = append(s.values, value)
		if !more {
			return s.values, ""
		}
		text = rest
	}
}

// value returns the first value and the rest of the row. more reports whether a delimiter
// follows the value, so that an empty value at the end of a row counts.
func (s *scanner) value(text string) (value, rest string, more bool, bad string) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, more = strings.Cut(text, string(s.delimiter))
		return s.unquoted(value), rest, more, ""
	}
	var b []byte // a copy is needed only for doubled quotes
	for text = text[1:]; ; {
		i := strings.IndexByte(text, '"')
		if i < 0 {
			return "", "", false, "a quote is opened and never closed"
		}
		part, after := text[:i], text[i+1:]
		if strings.HasPrefix(after, `"`) {
			b = append(append(b, part...), '"')
			text = after[1:]
			continue
		}
		switch {
		case b != nil:
			b = append(b, part...)
			value = string(b)
		default:
			value = part
		}
		if after == "" {
			return value, "", false, ""
		}
		if after[0] != s.delimiter {
			return "", "", false, "something follows the closing quote of a value"
		}
		return value, after[1:], true, ""
	}
}
