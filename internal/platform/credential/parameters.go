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

// RedactParameters returns the text without those parameters' values of URLs in it that
// secret reports, and without the user information of URLs if it reports [User]; and the
// names of what it left out. What is in the value of another parameter, escaped as the
// URL of a redirect is, is found too.
func RedactParameters(text string, secret func(name, value string) bool) (out string, names []string) {
	return redactParameters(text, secret, maxNested)
}

func redactParameters(text string, secret func(name, value string) bool, nested int) (out string, names []string) {
	if without, found := redactUsers(text); found && secret(User, "") {
		text, names = without, []string{User}
	}
	if !strings.ContainsAny(text, delimiters) {
		return text, names
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
		if value == "" || value == Redacted {
			continue
		}
		now := value
		if secret(name, unescape(value)) {
			now, names = Redacted, append(names, name)
		} else if strings.ContainsRune(value, '%') && nested > 0 {
			inner, more := redactEscaped(value, secret, nested-1)
			if more == nil {
				continue
			}
			now, names = inner, append(names, more...)
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

// redactEscaped does the same to what is escaped, perhaps more than once.
func redactEscaped(value string, secret func(name, value string) bool, nested int) (out string, names []string) {
	plain := unescape(value)
	inner, names := redactParameters("&"+plain, secret, nested)
	inner = inner[1:]
	if names == nil && nested > 0 && plain != value && strings.ContainsRune(plain, '%') {
		inner, names = redactEscaped(plain, secret, nested-1)
	}
	return url.QueryEscape(inner), names
}

// unescape returns what cannot be unescaped as it is written.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
