// Package charset decodes text of other encodings into UTF-8.
//
// Nothing is replaced silently: bytes that stand for no character in their encoding become
// bytes that are not UTF-8, which utf8.Valid finds.
package charset

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Charset is the encoding of a text.
type Charset struct {
	enc   encoding.Encoding // nil: UTF-8
	units int               // bytes of a code unit
	big   bool              // the more significant byte of a unit is the first
	mark  string            // byte order mark of the text
}

// UTF8 is the encoding of a text that names no other one.
var UTF8 = Charset{units: 1}

// marks lists the byte order marks.
var marks = []Charset{
	{units: 1, mark: "\xef\xbb\xbf"},
	{enc: unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), units: 2, mark: "\xff\xfe"},
	{enc: unicode.UTF16(unicode.BigEndian, unicode.UseBOM), units: 2, big: true, mark: "\xfe\xff"},
}

// Marked returns the encoding that a byte order mark at the beginning of a text names. It
// reports false if there is none. Such a mark wins over any other name of the encoding: a
// program that writes one knows its encoding.
func Marked(head []byte) (Charset, bool) {
	for _, m := range marks {
		if bytes.HasPrefix(head, []byte(m.mark)) {
			return m, true
		}
	}
	return UTF8, false
}

// Named returns the encoding with the name, such as windows-1252 or UTF-16. It reports false
// if the name is not known. "" is UTF-8.
func Named(name string) (Charset, bool) {
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "", "utf-8", "utf8":
		return UTF8, true
	case "utf-16":
		return Charset{enc: unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), units: 2}, true
	case "utf-16le", "utf-16be":
		order := unicode.LittleEndian
		if name == "utf-16be" {
			order = unicode.BigEndian
		}
		return Charset{enc: unicode.UTF16(order, unicode.IgnoreBOM), units: 2, big: order == unicode.BigEndian}, true
	case "latin-1", "latin1", "iso-8859-1":
		return Charset{enc: charmap.ISO8859_1, units: 1}, true
	}
	enc, err := htmlindex.Get(name)
	if err != nil {
		return UTF8, false
	}
	return Charset{enc: enc, units: 1}, true
}

// OfType returns the encoding that the parameter charset of a media type names, such as
// "text/csv; charset=windows-1252". It reports false if that is not known. Without the
// parameter it is UTF-8.
func OfType(mediaType string) (Charset, bool) {
	_, params, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return UTF8, true
	}
	return Named(params["charset"])
}

// Mark returns the byte order mark of UTF-8 if the text begins with it, for a copy of the
// text. The encoders of UTF-16 write their own mark.
func (c Charset) Mark() string {
	if c.enc == nil {
		return c.mark
	}
	return ""
}

// Encoder returns what encodes UTF-8 text, or nil for UTF-8. It fails at a character that
// the encoding lacks.
func (c Charset) Encoder() *encoding.Encoder {
	if c.enc == nil {
		return nil
	}
	return c.enc.NewEncoder()
}

// Decoder returns what decodes text that follows the mark of UTF-8, or nil for UTF-8.
func (c Charset) Decoder() transform.Transformer {
	if c.enc == nil {
		return nil
	}
	return &decoder{Transformer: c.enc.NewDecoder().Transformer, charset: c}
}

// Decode returns the whole text as UTF-8, without a mark. It fails if the text has bytes
// that stand for no character.
func (c Charset) Decode(text []byte) ([]byte, error) {
	text = bytes.TrimPrefix(text, []byte(c.Mark()))
	if d := c.Decoder(); d != nil {
		out, _, err := transform.Bytes(d, text)
		if err != nil {
			return nil, fmt.Errorf("charset: %w", err)
		}
		text = out
	}
	if !utf8.Valid(text) {
		return nil, errInvalid
	}
	return text, nil
}

var errInvalid = fmt.Errorf("charset: the text has bytes that stand for no character of its encoding")

var (
	replacement = []byte("\xef\xbf\xbd") // U+FFFD
	invalid     = []byte("\xff\xff\xff")
)

// decoder marks the characters that a decoder of package encoding replaced. Those decoders
// write U+FFFD for bytes that they cannot decode.
type decoder struct {
	transform.Transformer
	charset Charset
}

// Transform implements [transform.Transformer].
func (d *decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	nDst, nSrc, err = d.Transformer.Transform(dst, src, atEOF)
	out := dst[:nDst]
	if n := bytes.Count(out, replacement); n > 0 && n != d.written(src[:nSrc]) {
		copy(out, bytes.ReplaceAll(out, replacement, invalid))
	}
	return nDst, nSrc, err
}

// written returns how often the author of the text wrote U+FFFD, which only UTF-16 can say.
func (d *decoder) written(src []byte) (n int) {
	if d.charset.units != 2 {
		return 0
	}
	for i := 0; i+1 < len(src); i += 2 {
		high, low := src[i+1], src[i]
		if d.charset.big {
			high, low = low, high
		}
		if high == 0xff && low == 0xfd {
			n++
		}
	}
	return n
}
