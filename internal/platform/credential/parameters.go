package credential

import (
	"net/url"
	"strings"
)

const (
	delimiters = "?&;#"            // come before a parameter's name
	ends       = "&# \t\r\n\"'<>"  // end a value; ";" and "?" may be part of one
	notInNames = "=?" + ends + ";" // end a parameter's name
	maxName    = 100               // bytes of a parameter's name
	maxNested  = 3                 // levels of URLs inside the values of URLs
)

// RedactParameters redacts the URLs in a text. It replaces the value of each parameter
// for which secret returns true, and the user information of URLs if secret returns
// true for [User]. It also looks into the values of other parameters, where the URL of
// a redirect is escaped. names are the parameters that it redacted.
func RedactParameters(text string, secret func(name, value string) bool) (out string, names []string) {
	return redactNested(text, secret, maxNested)
}

func redactNested(text string, secret func(name, value string) bool, nested int) (out string, names []string) {
	if without, found := redactUsers(text); found && secret(User, "") {
		text, names = without, []string{User}
	}
	if !strings.ContainsAny(text, delimiters) {
		return text, names
	}
	var b strings.Builder
	done := 0 // bytes of text that have been written to b
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
		var now string
		if secret(name, unescape(value)) {
			now, names = Redacted, append(names, name)
		} else if strings.ContainsRune(value, '%') && nested > 0 {
			inner, more := redactEscaped(value, secret, nested-1)
			if more == nil {
				continue
			}
			now, names = inner, append(names, more...)
		} else {
			continue // the value may contain another parameter after ";"
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

// redactEscaped redacts parameters in an escaped value. It may be escaped several times.
func redactEscaped(value string, secret func(name, value string) bool, nested int) (out string, names []string) {
	plain := unescape(value)
	inner, names := redactNested("&"+plain, secret, nested)
	inner = inner[1:]
	if names == nil && nested > 0 && plain != value && strings.ContainsRune(plain, '%') {
		inner, names = redactEscaped(plain, secret, nested-1)
	}
	return url.QueryEscape(inner), names
}

// unescape returns the unescaped text, or the text itself if it is not validly escaped.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
