package sqliteguard

import (
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// reader reads the characters of a text exactly as SQLite does, even if the text is not
// valid UTF-8.
type reader struct {
	text []byte
	at   int
}

func (r *reader) more() bool { return r.at < len(r.text) }

// next returns the next character, or 0 at the end.
func (r *reader) next() uint32 {
	if !r.more() {
		return 0
	}
	c := uint32(r.text[r.at])
	r.at++
	if c < 0xc0 {
		return c
	}
	switch { // the bits of the character that are in the first byte
	case c < 0xe0:
		c &= 0x1f
	case c < 0xf0:
		c &= 0x0f
	case c < 0xf8:
		c &= 0x07
	case c < 0xfc:
		c &= 0x03
	case c < 0xfe:
		c &= 0x01
	default:
		c = 0
	}
	for ; continues(r.text, r.at); r.at++ {
		c = c<<6 + uint32(r.text[r.at]&0x3f)
	}
	if c < 0x80 || c&0xfffff800 == 0xd800 || c&0xfffffffe == 0xfffe {
		return 0xfffd
	}
	return c
}

func lower(c uint32) uint32 {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// wildcards holds the special characters of LIKE or GLOB; 0: the operator has no such
// character.
type wildcards struct {
	all, one, set, escape uint32
	anyCase               bool
}

func callLike(tls *libc.TLS, context uintptr, argc int32, argv uintptr) {
	c := newCall(tls, context, argv)
	w := wildcards{all: '%', one: '_', anyCase: true}
	if !c.patterned() {
		return
	}
	if argc == 3 {
		escape := c.text(c.arg(2))
		if escape == nil {
			return
		}
		r := reader{text: toNUL(escape)}
		if w.escape = r.next(); w.escape == 0 || r.more() {
			c.fail("ESCAPE expression must be a single character")
			return
		}
		if w.escape == w.all {
			w.all = 0
		}
		if w.escape == w.one {
			w.one = 0
		}
	}
	c.match(w)
}

func callGlob(tls *libc.TLS, context uintptr, _ int32, argv uintptr) {
	c := newCall(tls, context, argv)
	if c.patterned() {
		c.match(wildcards{all: '*', one: '?', set: '['})
	}
}

// fail ends the statement with a message. The message is first copied to SQLite's own
// memory, because a value on Go's stack may move while SQLite reads it.
func (c *call) fail(message string) {
	at, text := c.made(len(message))
	if at == 0 {
		return
	}
	sqlite3.Xsqlite3_result_error(c.tls, c.context, at, int32(copy(text, message)))
	sqlite3.Xsqlite3_free(c.tls, at)
}

// patterned reports whether the arguments must be compared. Otherwise it has answered: a
// blob matches nothing, and a pattern that is too long is an error.
func (c *call) patterned() bool {
	if c.kind(0) == sqlite3.SQLITE_BLOB || c.kind(1) == sqlite3.SQLITE_BLOB {
		sqlite3.Xsqlite3_result_int(c.tls, c.context, 0)
		return false
	}
	longest := sqlite3.Xsqlite3_limit(c.tls, sqlite3.Xsqlite3_context_db_handle(c.tls, c.context), sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, -1)
	if sqlite3.Xsqlite3_value_bytes(c.tls, c.arg(0)) > longest {
		c.fail("LIKE or GLOB pattern too complex")
		return false
	}
	return true
}

func (c *call) match(w wildcards) {
	pattern := c.text(c.arg(0))
	text := c.text(c.arg(1))
	if pattern == nil || text == nil {
		return
	}
	switch c.compare(w, toNUL(pattern), toNUL(text)) {
	case ended:
		c.end()
	case matches:
		sqlite3.Xsqlite3_result_int(c.tls, c.context, 1)
	default:
		sqlite3.Xsqlite3_result_int(c.tls, c.context, 0)
	}
}

// The outcomes of a comparison.
const (
	matches = iota
	differs
	never // differs, and would differ even if an earlier wildcard matched more text
	ended
)

// compare matches the text against the pattern with SQLite's own algorithm.
func (c *call) compare(w wildcards, pattern, text []byte) int {
	p, s := reader{text: pattern}, reader{text: text}
	escaped := -1 // index after the last escaped character
	for {
		if c.ends(1) {
			return ended
		}
		char := p.next()
		switch {
		case char == 0:
			if s.more() {
				return differs
			}
			return matches
		case char == w.all:
			return c.compareRest(w, &p, &s)
		case char == w.set && w.set != 0:
			if !c.inSet(&p, &s) {
				return differs
			}
			continue
		case char == w.escape:
			if char = p.next(); char == 0 {
				return differs
			}
			escaped = p.at
		}
		other := s.next()
		if char == other || w.anyCase && char < 0x80 && other < 0x80 && lower(char) == lower(other) ||
			char == w.one && p.at != escaped && other != 0 {
			continue
		}
		return differs
	}
}

// compareRest matches the rest of a pattern after a wildcard for any number of characters.
func (c *call) compareRest(w wildcards, p, s *reader) int {
	char := p.next()
	for char == w.all && char != 0 || char == w.one && char != 0 {
		if char == w.one && s.next() == 0 {
			return never
		}
		char = p.next()
		if c.ends(1) {
			return ended
		}
	}
	switch {
	case char == 0:
		return matches
	case char == w.set:
		for s.more() {
			if got := c.compare(w, p.text[p.at-1:], s.text[s.at:]); got != differs {
				return got
			}
			s.at = after(s.text, s.at)
			if c.ends(1) {
				return ended
			}
		}
		return never
	case char == w.escape:
		if char = p.next(); char == 0 {
			return never
		}
	}
	for s.more() {
		if c.ends(1) {
			return ended
		}
		if char < 0x80 { // like SQLite, search byte by byte, even within other characters
			b := uint32(s.text[s.at])
			s.at++
			if b != char && (!w.anyCase || lower(b) != lower(char)) {
				continue
			}
		} else if s.next() != char {
			continue
		}
		if got := c.compare(w, p.text[p.at:], s.text[s.at:]); got != differs {
			return got
		}
	}
	return never
}

// inSet reads a set from the pattern and a character from the text. It reports whether the
// character is in the set.
func (c *call) inSet(p, s *reader) bool {
	char := s.next()
	if char == 0 {
		return false
	}
	seen, invert, prior := false, false, uint32(0)
	in := p.next()
	if in == '^' {
		invert = true
		in = p.next()
	}
	if in == ']' {
		seen = char == ']'
		in = p.next()
	}
	for in != 0 && in != ']' {
		if in == '-' && p.more() && p.text[p.at] != ']' && prior > 0 {
			in = p.next()
			seen = seen || char >= prior && char <= in
			prior = 0
		} else {
			seen = seen || char == in
			prior = in
		}
		in = p.next()
		c.steps++
	}
	return in != 0 && seen != invert
}
