package credential

import (
	"net/url"
	"strings"
)

const (
	delimiters = "?&;#"            // come before a parameter's name
	ends       = "&# \t\r\n\"'<>"  // of a value; ";" and "?" may be part of one
	notInNames = "=?" + ends + ";" // of parameters
	maxName    = 100               // of a parameter, in bytes
	maxNested  = 3                 // URLs in values of URLs that are looked into
)

// RedactParameters returns the text without the values of those parameters of URLs in
// it whose names secret reports, and these names. Parameters in the value of another
// one, escaped as the URL of a redirect is, are found too.
func RedactParameters(text string, secret func(name string) bool) (out string, names []string) {
	return redactParameters(text, secret, maxNested)
}

func redactParameters(text string, secret func(string) bool, nested int) (out string, names []string) {
	if !strings.ContainsAny(text, delimiters) {
		return text, nil
	}
	var b strings.Builder
	done := 0 // of text, what is in b
	for at := 0; at < len(text); {
		next := strings.IndexAny(text[at:], delimiters)
		if next < 0 {
			break
		}
		start := at + next + 1
		at = start
		length := strings.IndexAny(text[start:], notInNames)
		if length <= 0 || length > maxName || text[start+length] != '=' {
			continue
		}
		name, from := unescape(text[start:start+length]), start+length+1
		value := text[from:]
		if end := strings.IndexAny(value, ends); end >= 0 {
			value = value[:end]
		}
		at = from
		if value == "" {
			continue
		}
		now := value
		if secret(name) {
			now, names = Redacted, append(names, name)
		} else if strings.ContainsRune(value, '%') && nested > 0 {
			inner, more := redactParameters("&"+unescape(value), secret, nested-1)
			if more == nil {
				continue
			}
			now, names = url.QueryEscape(inner[1:]), append(names, more...)
		} else {
			continue // and look for one after ";" in it
		}
		b.WriteString(text[done:from])
		b.WriteString(now)
		at = from + len(value)
		done = at
	}
	if names == nil {
		return text, nil
	}
	return b.String() + text[done:], names
}

// unescape returns what cannot be unescaped as it is written.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
