// Package printable writes texts so that a terminal shows them and obeys none of their
// characters. Texts from outside could move the cursor, or turn the direction of the line.
// What a terminal would obey is what Unicode calls not printable: controls (C0 and C1),
// format characters such as the overrides of direction, and the separators of lines. It is
// pure.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text returns the text with Go's escape in place of every character that a terminal would
// obey rather than show, and of every byte that is no UTF-8. The characters in keep stay.
func Text(text, keep string) string {
	if plain(text, keep) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case strconv.IsPrint(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		i += size
	}
	return b.String()
}

// JSON returns valid JSON of the same value in which every such character is escaped. JSON
// allows some of them in strings. Line ends stay.
func JSON(valid string) string {
	if plain(valid, "\n") {
		return valid
	}
	var b strings.Builder
	for _, r := range valid {
		switch {
		case strconv.IsPrint(r) || r == '\n':
			b.WriteRune(r)
		case r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		case r < ' ': // between tokens only
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// plain reports whether the text is printable ASCII and characters of keep, as most are.
func plain(text, keep string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' || c > '~') && strings.IndexByte(keep, c) < 0 {
			return false
		}
	}
	return true
}
