package sqliteguard

import (
	"bytes"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite checks only between instructions whether a statement must stop, and a call of a
// function is one instruction. Most functions read each byte of their arguments a few
// times. The functions below compare every position of one argument with all of the other,
// which takes hours for 8 MiB. So guarded connections that read get the following
// replacements. They return the same results and stop with the statement. A test compares
// them with SQLite's own functions.
//
// With replacements, LIKE and GLOB use no index. SQLite uses one only for its own functions.

// replacement is a function that replaces one of SQLite's own.
type replacement struct {
	name string
	args int32
	call func(tls *libc.TLS, context uintptr, argc int32, argv uintptr)
}

func replacements() []replacement {
	return []replacement{
		{"instr", 2, callInstr}, {"replace", 3, callReplace}, {"unhex", 2, callUnhex},
		{"trim", 2, callTrim}, {"ltrim", 2, callLtrim}, {"rtrim", 2, callRtrim},
		{"like", 2, callLike}, {"like", 3, callLike}, {"glob", 2, callGlob},
	}
}

// replaceFunctions replaces the functions on a connection. id is the number of the
// connection's guard. It returns SQLite's result code.
func replaceFunctions(tls *libc.TLS, db uintptr, id int64) int32 {
	for _, r := range replacements() {
		name, err := libc.CString(r.name)
		if err != nil {
			return sqlite3.SQLITE_NOMEM
		}
		rc := sqlite3.Xsqlite3_create_function_v2(tls, db, name, r.args,
			sqlite3.SQLITE_UTF8|sqlite3.SQLITE_DETERMINISTIC|sqlite3.SQLITE_INNOCUOUS, uintptr(id), pointerTo(r.call), 0, 0, 0)
		libc.Xfree(tls, name)
		if rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	return sqlite3.SQLITE_OK
}

// stepsBetweenLooks is the number of steps after which a replacement checks whether it must
// stop. They take a fraction of a millisecond.
const stepsBetweenLooks = 1 << 16

// call is one call of a replacement.
type call struct {
	tls     *libc.TLS
	context uintptr
	argv    uintptr
	guard   *guard
	steps   int
}

func newCall(tls *libc.TLS, context, argv uintptr) *call {
	c := &call{tls: tls, context: context, argv: argv}
	if g, ok := guards.Load(int64(sqlite3.Xsqlite3_user_data(tls, context))); ok {
		c.guard = g.(*guard)
	}
	return c
}

// ends counts steps and reports whether the statement must stop.
func (c *call) ends(steps int) bool {
	if c.steps += steps; c.steps < stepsBetweenLooks {
		return false
	}
	c.steps = 0
	return c.guard == nil || c.guard.stopped.Load()
}

func (c *call) end() { sqlite3.Xsqlite3_result_error_code(c.tls, c.context, sqlite3.SQLITE_INTERRUPT) }

func (c *call) arg(i int) uintptr {
	return *valueAt[uintptr](c.argv + uintptr(i)*unsafe.Sizeof(c.argv))
}

func (c *call) kind(i int) int32 { return sqlite3.Xsqlite3_value_type(c.tls, c.arg(i)) }

// text returns a value as text, in SQLite's memory and valid until the call returns. It
// returns nil for NULL, and if there is no memory for the text.
func (c *call) text(value uintptr) []byte {
	at := sqlite3.Xsqlite3_value_text(c.tls, value)
	if at == 0 {
		return nil
	}
	return view(at, sqlite3.Xsqlite3_value_bytes(c.tls, value))
}

// view returns n bytes of SQLite's memory as a slice, which is never nil.
func view(at uintptr, n int32) []byte {
	if at == 0 || n <= 0 {
		return []byte{}
	}
	return unsafe.Slice(valueAt[byte](at), n)
}

// toNUL returns the text up to its first zero byte, where it ends in C.
func toNUL(text []byte) []byte {
	before, _, _ := bytes.Cut(text, []byte{0})
	return before
}

// made allocates n bytes in SQLite's counted memory. If it returns nil, it has already set
// the error of the statement.
func (c *call) made(n int) (uintptr, []byte) {
	if n > int(sqlite3.Xsqlite3_limit(c.tls, sqlite3.Xsqlite3_context_db_handle(c.tls, c.context), sqlite3.SQLITE_LIMIT_LENGTH, -1)) {
		sqlite3.Xsqlite3_result_error_toobig(c.tls, c.context)
		return 0, nil
	}
	at := sqlite3.Xsqlite3_malloc64(c.tls, uint64(n)+1)
	if at == 0 {
		sqlite3.Xsqlite3_result_error_nomem(c.tls, c.context)
		return 0, nil
	}
	return at, view(at, int32(n))
}

// transient tells SQLite to copy the result.
const transient = ^uintptr(0)

// returnText sets the result of the call to a text in SQLite's memory, such as a part of an
// argument. A text on Go's stack may move while SQLite reads it.
func (c *call) returnText(text []byte) {
	sqlite3.Xsqlite3_result_text(c.tls, c.context, address(text), int32(len(text)), transient)
}

var empty [1]byte // lends its address to texts of no bytes

func address(text []byte) uintptr {
	if len(text) == 0 {
		return uintptr(unsafe.Pointer(&empty))
	}
	return uintptr(unsafe.Pointer(&text[0]))
}

func continues(text []byte, i int) bool { return i < len(text) && text[i]&0xc0 == 0x80 }

// after returns the index after the character at i.
func after(text []byte, i int) int {
	first := text[i]
	i++
	for first >= 0xc0 && continues(text, i) {
		i++
	}
	return i
}

func callInstr(tls *libc.TLS, context uintptr, _ int32, argv uintptr) {
	c := newCall(tls, context, argv)
	if c.kind(0) == sqlite3.SQLITE_NULL || c.kind(1) == sqlite3.SQLITE_NULL {
		return
	}
	blobs := [2]bool{c.kind(0) == sqlite3.SQLITE_BLOB, c.kind(1) == sqlite3.SQLITE_BLOB}
	var in [2][]byte
	for i := range in {
		value := c.arg(i)
		if blobs[0] && blobs[1] {
			n := sqlite3.Xsqlite3_value_bytes(tls, value)
			in[i] = view(sqlite3.Xsqlite3_value_blob(tls, value), n)
			continue
		}
		if blobs[0] != blobs[1] { // works on copies, so that the argument keeps its type
			value = sqlite3.Xsqlite3_value_dup(tls, value)
			defer sqlite3.Xsqlite3_value_free(tls, value)
		}
		if in[i] = c.text(value); in[i] == nil {
			sqlite3.Xsqlite3_result_error_nomem(tls, context)
			return
		}
	}
	at, ok := c.find(in[0], in[1], !blobs[0] || !blobs[1])
	if !ok {
		c.end()
		return
	}
	sqlite3.Xsqlite3_result_int(tls, context, int32(at))
}

// find returns the number, from 1, of the character or byte at which needle begins in hay,
// or 0 if hay does not contain it. ok is false if the statement must stop.
func (c *call) find(hay, needle []byte, text bool) (at int, ok bool) {
	if len(needle) == 0 {
		return 1, true
	}
	for n, i := 1, 0; len(needle) <= len(hay)-i; n++ {
		steps := 1
		if hay[i] == needle[0] {
			if bytes.HasPrefix(hay[i:], needle) {
				return n, true
			}
			steps += len(needle)
		}
		if c.ends(steps) {
			return 0, false
		}
		for i++; text && continues(hay, i); {
			i++
		}
	}
	return 0, true
}

func callReplace(tls *libc.TLS, context uintptr, _ int32, argv uintptr) {
	c := newCall(tls, context, argv)
	text := c.text(c.arg(0))
	if text == nil {
		return
	}
	pattern := c.text(c.arg(1))
	if pattern == nil {
		return
	}
	if len(toNUL(pattern)) == 0 {
		c.returnText(text)
		return
	}
	with := c.text(c.arg(2))
	if with == nil {
		return
	}
	length := len(text)
	if !c.eachPlace(text, pattern, func(int) { length += len(with) - len(pattern) }) {
		c.end()
		return
	}
	at, out := c.made(length)
	if at == 0 {
		return
	}
	from, to := 0, 0
	if !c.eachPlace(text, pattern, func(i int) {
		to += copy(out[to:], text[from:i])
		to += copy(out[to:], with)
		from = i + len(pattern)
	}) {
		sqlite3.Xsqlite3_free(tls, at)
		c.end()
		return
	}
	copy(out[to:], text[from:])
	sqlite3.Xsqlite3_result_text(tls, context, at, int32(length), pointerTo(sqlite3.Xsqlite3_free))
}

// eachPlace calls do with every index at which the pattern occurs in the text. It reports
// false if the statement must stop.
func (c *call) eachPlace(text, pattern []byte, do func(int)) bool {
	for i := 0; len(pattern) <= len(text)-i; {
		steps := 1
		if text[i] == pattern[0] {
			steps += len(pattern)
			if bytes.HasPrefix(text[i:], pattern) {
				do(i)
				i += len(pattern) - 1
			}
		}
		i++
		if c.ends(steps) {
			return false
		}
	}
	return true
}

func callTrim(tls *libc.TLS, context uintptr, _ int32, argv uintptr) {
	newCall(tls, context, argv).trim(true, true)
}

func callLtrim(tls *libc.TLS, context uintptr, _ int32, argv uintptr) {
	newCall(tls, context, argv).trim(true, false)
}

func callRtrim(tls *libc.TLS, context uintptr, _ int32, argv uintptr) {
	newCall(tls, context, argv).trim(false, true)
}

func (c *call) trim(left, right bool) {
	text := c.text(c.arg(0))
	if text == nil {
		return
	}
	set := c.text(c.arg(1))
	if set == nil {
		return
	}
	set = toNUL(set)
	for _, side := range []struct {
		trimmed bool
		has     func(text, end []byte) bool
		cut     func(n int)
	}{
		{left, bytes.HasPrefix, func(n int) { text = text[n:] }},
		{right, bytes.HasSuffix, func(n int) { text = text[:len(text)-n] }},
	} {
		for side.trimmed && len(text) > 0 {
			found := 0
			for i := 0; i < len(set) && found == 0; {
				end := after(set, i)
				if side.has(text, set[i:end]) {
					found = end - i
				}
				i = end
				if c.ends(1) {
					c.end()
					return
				}
			}
			if found == 0 {
				break
			}
			side.cut(found)
		}
	}
	c.returnText(text)
}

func callUnhex(tls *libc.TLS, context uintptr, _ int32, argv uintptr) {
	c := newCall(tls, context, argv)
	digits, pass := c.text(c.arg(0)), c.text(c.arg(1))
	if digits == nil || pass == nil {
		return
	}
	digits = toNUL(digits)
	at, out := c.made(len(digits) / 2)
	if at == 0 {
		return
	}
	n, ok := c.unhex(out, digits, pass)
	if !ok {
		sqlite3.Xsqlite3_free(tls, at)
		return
	}
	sqlite3.Xsqlite3_result_blob(tls, context, at, int32(n), pointerTo(sqlite3.Xsqlite3_free))
}

// unhex writes the bytes that the digits stand for to out. If ok is false, the result is
// NULL or an error.
func (c *call) unhex(out, digits, pass []byte) (n int, ok bool) {
	in := reader{text: digits}
	for in.more() {
		if !isHex(in.text[in.at]) {
			want, found := in.next(), false
			for set := (reader{text: pass}); set.at < len(set.text) && !found; {
				found = set.next() == want
				if c.ends(1) {
					c.end()
					return 0, false
				}
			}
			if !found {
				return 0, false
			}
			continue
		}
		if in.at+1 >= len(digits) || !isHex(digits[in.at+1]) {
			return 0, false
		}
		out[n] = hexValue(digits[in.at])<<4 | hexValue(digits[in.at+1])
		n++
		in.at += 2
		if c.ends(1) {
			c.end()
			return 0, false
		}
	}
	return n, true
}

func isHex(b byte) bool { return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'f' }

func hexValue(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b | 0x20 - 'a' + 10
}
