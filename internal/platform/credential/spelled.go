package credential

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// leastHidden is the length of the shortest secret that Hide removes, in bytes: a shorter one
// would occur in many words.
const leastHidden = 4

// mostDeep bounds how often a character of a secret is taken to be escaped.
const mostDeep = 4

// Hide replaces the secrets in a text of another system. That may repeat them in the spelling of
// a URL, of JSON, of HTML or of a header that it read in another charset, each several times
// over, and in other letter case.
func Hide(text string, secrets []string) string {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < leastHidden })
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may be a part of another
	for _, s := range secrets {
		text = hide(text, s)
	}
	return text
}

func hide(text, secret string) string {
	var out strings.Builder
	from := 0
	first := strings.ToLower(secret[:1]) + strings.ToUpper(secret[:1]) + `\%&+`
	for i := 0; i < len(text); i++ {
		if text[i] < utf8.RuneSelf && strings.IndexByte(first, text[i]) < 0 {
			continue // most characters begin no spelling of it
		}
		if n, ok := spelled(text[i:], secret); ok {
			out.WriteString(text[from:i] + Redacted)
			i += n - 1
			from = i + 1
		}
	}
	if from == 0 {
		return text
	}
	return out.String() + text[from:]
}

// spelled reports whether the text begins with a spelling of the secret, and its length.
func spelled(text, secret string) (n int, ok bool) {
	if secret == "" {
		return 0, true
	}
	r, size := utf8.DecodeRuneInString(secret)
	for _, at := range spellings(text, r, secret[:size]) {
		if rest, ok := spelled(text[at:], secret[size:]); ok {
			return at + rest, true
		}
	}
	return 0, false
}

// spellings returns the lengths of the beginnings of the text that spell the character, whose
// bytes in the secret are raw.
func spellings(text string, r rune, raw string) (lengths []int) {
	slashes := len(text) - len(strings.TrimLeft(text, `\`))
	if r == '\\' && slashes > 0 { // JSON doubles it, each time that it is quoted
		for n := 1; n <= min(slashes, 1<<mostDeep); n *= 2 {
			lengths = append(lengths, n)
		}
		return lengths
	}
	rest := text[slashes:]
	add := func(n int) {
		if n > 0 && !slices.Contains(lengths, slashes+n) {
			lengths = append(lengths, slashes+n)
		}
	}
	if len(rest) >= len(raw) && strings.EqualFold(rest[:len(raw)], raw) {
		add(len(raw))
	}
	if r == ' ' && strings.HasPrefix(rest, "+") {
		add(1)
	}
	for deep := range mostDeep {
		add(eachByte(rest, raw, func(rest string, b byte) int { return percent(rest, b, deep) }))
		if r == ' ' {
			add(percent(rest, '+', deep))
		}
		add(entity(rest, r, deep))
	}
	if slashes > 0 {
		add(hexOf(rest, "u", r))
	}
	if raw[0] >= utf8.RuneSelf { // read as Latin-1
		add(eachByte(rest, raw, func(rest string, b byte) int {
			if char := string(rune(b)); strings.HasPrefix(rest, char) {
				return len(char)
			}
			return 0
		}))
	}
	return lengths
}

// eachByte returns the length of the beginning of the text that spells the bytes, one after the
// other, or 0.
func eachByte(text, raw string, one func(rest string, b byte) int) (n int) {
	for i := range len(raw) {
		k := one(text[n:], raw[i])
		if k == 0 {
			return 0
		}
		n += k
	}
	return n
}

// percent returns the length of the percent-encoding of a byte at the beginning of the text, or
// 0. The percent sign in it is encoded that many times itself.
func percent(text string, b byte, deep int) int {
	rest, ok := strings.CutPrefix(text, "%"+strings.Repeat("25", deep))
	if !ok || len(rest) < 2 {
		return 0
	}
	v, err := strconv.ParseUint(rest[:2], 16, 8)
	if err != nil || byte(v) != b && !(b < utf8.RuneSelf && strings.EqualFold(string(rune(v)), string(rune(b)))) {
		return 0
	}
	return len(text) - len(rest) + 2
}

// hexOf returns the length of the name and the four hexadecimal digits of a character at the
// beginning of the text, or 0.
func hexOf(text, name string, r rune) int {
	if !strings.HasPrefix(text, name) || len(text) < len(name)+4 {
		return 0
	}
	v, err := strconv.ParseUint(text[len(name):len(name)+4], 16, 16)
	if err != nil || !strings.EqualFold(string(rune(v)), string(r)) {
		return 0
	}
	return len(name) + 4
}

// entities are the characters that HTML has names for, and that writers of HTML escape.
var entities = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// entity returns the length of an HTML entity of the character at the beginning of the text, or
// 0. The ampersand in it is escaped that many times itself.
func entity(text string, r rune, deep int) int {
	rest, ok := strings.CutPrefix(text, "&"+strings.Repeat("amp;", deep))
	if !ok {
		return 0
	}
	name, _, ok := strings.Cut(rest[:min(len(rest), 10)], ";")
	if !ok {
		return 0
	}
	found, known := entities[strings.ToLower(name)]
	if digits, ok := strings.CutPrefix(name, "#"); ok && !known {
		base := 10
		if hex := strings.TrimLeft(digits, "xX"); hex != digits {
			digits, base = hex, 16
		}
		v, err := strconv.ParseUint(digits, base, 21)
		found, known = rune(v), err == nil
	}
	if !known || !strings.EqualFold(string(found), string(r)) {
		return 0
	}
	return len(text) - len(rest) + len(name) + 1
}
