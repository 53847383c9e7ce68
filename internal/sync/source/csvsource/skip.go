package csvsource

import (
	"bytes"

	"github.com/headgate/headgate/internal/platform/fault"
)

// nullCell stands for NULL among the values of a row. It is not UTF-8, so no cell of a file
// has this text.
const nullCell = "\xff"

// unquoted returns the value of a cell without quotes.
func (s *scanner) unquoted(text string) string {
	if s.null != nil && text == *s.null {
		return nullCell
	}
	return text
}

// blank reports whether a line without quotes has no value at all.
func (s *scanner) blank(line []byte) bool {
	for _, c := range line {
		if c != s.delimiter && c != ' ' && c != '\t' {
			return false
		}
	}
	return true
}

// skip consumes a line that is no row.
func (s *scanner) skip(n int) {
	if s.keep {
		s.skipped = append(s.skipped, s.buf[s.start:s.start+n]...)
	}
	s.start += n
	s.line++
}

// skipComment consumes the next line if it is a comment. A comment may hold any text, also
// a quote that is never closed.
func (s *scanner) skipComment() (bool, error) {
	if s.comment == 0 {
		return false, nil
	}
	if s.start == s.end {
		if more, err := s.fill(); err != nil || !more {
			return false, err
		}
	}
	if s.buf[s.start] != s.comment {
		return false, nil
	}
	text, err := s.peekLine(maxRow)
	if err != nil {
		return false, err
	}
	if len(text) > maxRow {
		return false, fault.New(fault.Invalid, "line %d, a comment, is longer than 4 MiB", s.line)
	}
	s.skip(len(text))
	return true, nil
}

// peekLine returns the next line with its line end, or what comes first: the rest of the
// text, or at least limit bytes.
func (s *scanner) peekLine(limit int) ([]byte, error) {
	for {
		data := s.buf[s.start:s.end]
		if n := s.lineEnd(data, 0); n >= 0 {
			return data[:n], nil
		}
		if len(data) > limit {
			return data, nil
		}
		if more, err := s.fill(); err != nil || !more {
			return s.buf[s.start:s.end], err
		}
	}
}

// firstLine consumes lines without values and returns the next line, which it leaves.
func (s *scanner) firstLine() ([]byte, error) {
	for {
		if skipped, err := s.skipComment(); err != nil {
			return nil, err
		} else if skipped {
			continue
		}
		line, err := s.peekLine(64 << 10)
		if err != nil || len(line) == 0 || len(bytes.TrimSpace(line)) > 0 {
			return line, err
		}
		s.skip(len(line))
	}
}

// namedDelimiter returns the delimiter that a first line such as sep=; names, or 0. Such a
// line is for spreadsheets.
func namedDelimiter(line []byte) byte {
	line = bytes.Trim(trimEnd(line), `"`)
	if len(line) != 5 || !bytes.EqualFold(line[:4], []byte("sep=")) || line[4] >= 0x80 || line[4] == '"' {
		return 0
	}
	return line[4]
}
