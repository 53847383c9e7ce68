package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable returns the text with an escape in place of every character that a terminal
// would obey rather than show. Texts of a server are not ours: they could move the cursor,
// or turn the direction of the line. The characters in keep stay.
func printable(text, keep string) string {
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

// printableJSON returns valid JSON of the same value in which every such character is
// escaped. JSON allows some of them in strings.
func printableJSON(valid []byte) string {
	var b strings.Builder
	for _, r := range string(valid) {
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
