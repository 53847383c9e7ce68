package credential

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	authority = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://`)
	embedded  = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'"<>]+`)
	// assigned matches a password in a connection string of libpq.
	assigned = regexp.MustCompile(`(?i)\b((?:ssl)?password|passwd|pwd)(\s*=\s*)([^\s'",;&)]+)`)
	// open matches values that cannot be a credential: a short number, true, false, and
	// a placeholder that a request fills in.
	open = regexp.MustCompile(`^([0-9]{1,6}|true|false|\{[^{}]*\})$`)
)

// RedactText returns the text of an option without the credentials in it. A text without
// white space is treated as a URL, because a relative URL ("t?api_key=…") cannot be told
// from another text. In a text with white space (SQL), absolute URLs are redacted,
// parameters that are named like a credential, and passwords of connection strings. A
// text with a private key is replaced as a whole.
func RedactText(text string) string {
	if strings.Contains(text, "PRIVATE KEY-----") {
		return Redacted
	}
	if strings.IndexFunc(text, unicode.IsSpace) < 0 {
		return RedactURL(text)
	}
	text, _ = RedactParameters(embedded.ReplaceAllStringFunc(text, RedactURL), func(name, _ string) bool { return Named(name) })
	return assigned.ReplaceAllString(text, "${1}${2}"+Redacted)
}

// InURL returns the values that RedactURL hides in a URL, both as written and unescaped.
// The caller removes them from the messages of a server, which may quote the URL.
func InURL(text string) (values []string) {
	u, err := url.Parse(text)
	if err != nil || IsReference(text) || text == "" {
		return nil
	}
	add := func(value string) { values = append(values, value, unescape(value)) }
	if u.User != nil {
		password, _ := u.User.Password()
		values = append(values, u.User.Username(), password)
	}
	for _, pair := range strings.Split(u.RawQuery, "&") {
		if shown := redactValue(pair); shown != pair {
			_, value, named := strings.Cut(pair, "=")
			if !named {
				value = pair
			}
			add(value)
		}
	}
	add(u.EscapedFragment())
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

// RedactURL returns the URL without its credentials. The password is always redacted.
//
// In a web address, also a relative one, the user, the values of the query and the
// fragment are redacted as well, because each may be a credential under any name. Short
// numbers, true, false and {placeholders} stay, unless they are named like a credential.
//
// In other URLs (databases) the user stays, and so do parameters that are not named
// like a credential. A text that is not a URL, but may hold a credential, is replaced
// as a whole: user:password@tcp(host)/database.
func RedactURL(text string) string {
	if text == "" || IsReference(text) || !strings.ContainsAny(text, "@?#") {
		return text
	}
	if at := strings.LastIndexByte(text, '@'); at >= 0 && !authority.MatchString(text) && strings.Contains(text[:at], ":") {
		return Redacted
	}
	u, err := url.Parse(text)
	if err != nil {
		return Redacted
	}
	web := u.Scheme == "https" || u.Scheme == "http" || u.Scheme == ""
	user := u.User
	switch _, has := user.Password(); {
	case user != nil && web:
		u.User = url.User(Redacted)
	case has:
		u.User = url.UserPassword(user.Username(), Redacted)
	}
	redact := redactNamed
	if web {
		redact = redactValue
	}
	query, fragment := redactPairs(u.RawQuery, redact), redactPairs(u.EscapedFragment(), redactNamed)
	if web && fragment != "" && (u.Host != "" || query != "" || strings.ContainsRune(text, '{')) { // otherwise it is the name of a file or a table with # in it
		fragment = Redacted
	}
	if u.User == user && query == u.RawQuery && fragment == u.EscapedFragment() {
		return text
	}
	u.RawQuery, u.Fragment, u.RawFragment = query, "", ""
	if fragment != "" {
		fragment = "#" + fragment
	}
	out := u.String()
	if strings.ContainsRune(text, '{') { // String escaped the placeholders of the path
		out = strings.NewReplacer("%7B", "{", "%7D", "}").Replace(out)
	}
	return out + fragment
}

// redactPairs redacts each pair of a query and leaves the others exactly as written.
// url.ParseQuery would drop pairs that it cannot read, but some servers can read them.
func redactPairs(pairs string, redact func(string) string) string {
	if pairs == "" {
		return ""
	}
	list := strings.Split(pairs, "&")
	for i, pair := range list {
		list[i] = redact(pair)
	}
	return strings.Join(list, "&")
}

// redactValue redacts the value of a pair, or a pair without a name as a whole, unless
// the value cannot be a credential.
func redactValue(pair string) string {
	name, value, named := strings.Cut(pair, "=")
	plain, err := url.QueryUnescape(name)
	secret := err != nil || Named(plain)
	switch {
	case pair == "" || !named && open.MatchString(pair):
		return pair
	case !named:
		return Redacted
	case !secret && (value == "" || open.MatchString(value)):
		return pair
	}
	return name + "=" + Redacted
}

// redactNamed redacts everything after a name that looks like a credential's, or that
// cannot be unescaped. ";" may be part of a value or end it, and a fragment may contain
// a "?": so the rest after either is checked for a name as well.
func redactNamed(pair string) string {
	for start := 0; ; {
		part := pair[start:]
		end := strings.IndexAny(part, ";?")
		if end >= 0 {
			part = part[:end]
		}
		name, _, given := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if given && (err != nil || Named(plain)) {
			return pair[:start+len(name)] + "=" + Redacted
		}
		if end < 0 {
			return pair
		}
		start += end + 1
	}
}
