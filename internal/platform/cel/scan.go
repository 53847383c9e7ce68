package cel

import "bytes"

// maxDepth is the depth of a JSON text that encoding/json reads.
const maxDepth = 10_000

// entry is the place of a value, or of a member's name.
type entry struct {
	start, end int32 // in the text
	next       int32 // the index after the value and all that it holds
}

// scanner checks a JSON text and finds its values in one pass. It accepts what
// encoding/json accepts (FuzzJSON), and is faster than json.Valid followed by an index.
type scanner struct {
	data  []byte
	at    int
	index []entry
	err   error
}

// scan returns the places of all values of a JSON text.
func scan(data []byte) ([]entry, error) {
	s := scanner{data: data, index: make([]entry, 0, capacity(data))}
	ok := s.value(0) && s.space() == 0 && s.at == len(data)
	switch {
	case s.err != nil:
		return nil, s.err
	case !ok:
		return nil, errJSON
	}
	return s.index, nil
}

// capacity returns the number of entries of most texts. Marks within strings count as
// well, so a large text starts with less and grows.
func capacity(data []byte) int {
	n := 1
	for _, mark := range [...]string{",", ":", "[", "{"} {
		n += bytes.Count(data, []byte(mark))
	}
	return min(n, len(data)/8+64)
}

// space skips white space and returns the next byte, or 0 at the end.
func (s *scanner) space() byte {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// value reads a value, and reports whether there is one.
func (s *scanner) value(depth int) bool {
	c := s.space()
	start, n := s.at, len(s.index)
	s.index = append(s.index, entry{start: int32(start)})
	ok := false
	switch c {
	case '{':
		ok = depth < maxDepth && s.items('}', depth+1)
	case '[':
		ok = depth < maxDepth && s.items(']', depth+1)
	case '"':
		ok = s.text()
	case 't':
		ok = s.word("true")
	case 'f':
		ok = s.word("false")
	case 'n':
		ok = s.word("null")
	default:
		ok = s.number()
	}
	s.index[n].end, s.index[n].next = int32(s.at), int32(len(s.index))
	return ok
}

// items reads the items of an array, or the members of an object, up to its last byte.
func (s *scanner) items(last byte, depth int) bool {
	s.at++
	if s.space() == last {
		s.at++
		return true
	}
	for {
		if last == '}' {
			if s.space() != '"' {
				return false
			}
			n := len(s.index)
			s.index = append(s.index, entry{start: int32(s.at), next: int32(n + 1)})
			if !s.text() {
				return false
			}
			s.index[n].end = int32(s.at)
			if s.space() != ':' {
				return false
			}
			s.at++
		}
		if !s.value(depth) {
			return false
		}
		switch s.space() {
		case ',':
			s.at++
		case last:
			s.at++
			return true
		default:
			return false
		}
	}
}

// text reads a string.
func (s *scanner) text() bool {
	for s.at++; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return true
		case c == '\\':
			if s.at++; !s.escape() {
				return false
			}
		case c < ' ':
			return false
		}
	}
	return false
}

// escape reads what follows a backslash, up to its last byte.
func (s *scanner) escape() bool {
	if s.at >= len(s.data) {
		return false
	}
	switch s.data[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.at++; s.at >= len(s.data) || !hexadecimal(s.data[s.at]) {
				return false
			}
		}
		return true
	}
	return false
}

func hexadecimal(c byte) bool {
	return digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func (s *scanner) word(w string) bool {
	if len(s.data)-s.at < len(w) || string(s.data[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

// number reads a number that an integer or a float64 holds.
func (s *scanner) number() bool {
	start := s.at
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	exponent := s.skip('e') || s.skip('E')
	if exponent {
		if !s.skip('+') {
			s.skip('-')
		}
		if !s.digits() {
			return false
		}
	}
	if exponent || s.at-start > 300 {
		if _, err := parseNumber(string(s.data[start:s.at])); err != nil {
			s.err = errRange
			return false
		}
	}
	return true
}

// skip skips a byte, and reports whether it was there.
func (s *scanner) skip(c byte) bool {
	if s.at >= len(s.data) || s.data[s.at] != c {
		return false
	}
	s.at++
	return true
}

// digits skips digits, and reports whether there was one.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && digit(s.data[s.at]) {
		s.at++
	}
	return s.at > start
}
