package trace

import (
	"encoding/hex"
	"strconv"
)

// Context names a span, wherever it was recorded. A traceparent carries it. The zero
// Context names none.
type Context struct {
	Trace   [16]byte
	Span    [8]byte // zero: only the trace is known
	Sampled bool    // the span is recorded, and so should be its children
}

// Valid reports whether the Context names a span.
func (c Context) Valid() bool { return c.HasTrace() && c.Span != [8]byte{} }

// HasTrace reports whether the Context names a trace.
func (c Context) HasTrace() bool { return c.Trace != [16]byte{} }

// TraceID returns the trace as hexadecimal digits.
func (c Context) TraceID() string { return hex.EncodeToString(c.Trace[:]) }

// SpanID returns the span as hexadecimal digits; "" if only the trace is known.
func (c Context) SpanID() string {
	if c.Span == [8]byte{} {
		return ""
	}
	return hex.EncodeToString(c.Span[:])
}

// length is that of a traceparent: version-traceid-parentid-flags.
const length = 55

// String returns the Context as the traceparent of W3C's Trace Context; "" if it names no span.
func (c Context) String() string {
	if !c.Valid() {
		return ""
	}
	b := make([]byte, 0, length)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, c.Trace[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, c.Span[:])
	if c.Sampled {
		return string(append(b, "-01"...))
	}
	return string(append(b, "-00"...))
}

// Parse reads a traceparent. Later versions may append fields. The result names nothing if
// the text is not valid.
func Parse(s string) (c Context) {
	if len(s) < length || s[2] != '-' || s[35] != '-' || s[52] != '-' || len(s) > length && s[55] != '-' || s[:2] == "ff" {
		return Context{}
	}
	var version, flags [1]byte
	if !parseHex(version[:], s[:2]) || version[0] == 0 && len(s) > length ||
		!parseHex(c.Trace[:], s[3:35]) || !parseHex(c.Span[:], s[36:52]) || !parseHex(flags[:], s[53:55]) || !c.Valid() {
		return Context{}
	}
	c.Sampled = flags[0]&1 == 1
	return c
}

// FromHeader returns the span that a request's headers name: by traceparent, or else by
// X-Cloud-Trace-Context. The names in header are canonical.
func FromHeader(header map[string][]string) Context {
	if v := header["Traceparent"]; len(v) == 1 {
		if c := Parse(v[0]); c.Valid() {
			return c
		}
	}
	if v := header["X-Cloud-Trace-Context"]; len(v) == 1 {
		return parseGoogle(v[0])
	}
	return Context{}
}

// parseGoogle reads TRACE_ID/SPAN_ID;o=OPTIONS. The span is decimal, and it and the options may
// be absent.
func parseGoogle(s string) (c Context) {
	const ids = 32
	if len(s) < ids || !parseHex(c.Trace[:], s[:ids]) || !c.HasTrace() {
		return Context{}
	}
	span, options := s[ids:], ""
	for i := range len(span) {
		if span[i] == ';' {
			span, options = span[:i], span[i+1:]
			break
		}
	}
	switch {
	case span == "":
	case span[0] != '/':
		return Context{}
	default:
		n, _ := strconv.ParseUint(span[1:], 10, 64) // if it is no number, only the trace is known
		for i := range c.Span {
			c.Span[i] = byte(n >> (56 - 8*i))
		}
	}
	c.Sampled = options == "o=1"
	return c
}

// parseHex reads lower-case hexadecimal digits.
func parseHex(to []byte, s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(to, []byte(s))
	return err == nil
}
