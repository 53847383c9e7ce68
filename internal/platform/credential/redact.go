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
	// assigned is a password as libpq's connection strings have it.
	assigned = regexp.MustCompile(`(?i)\b((?:ssl)?password|passwd|pwd)(\s*=\s*)([^\s'",;&)]+)`)
	// open are values that no credential has: a number too short to be one, true and
	// false, and what a request fills in.
	open = regexp.MustCompile(`^([0-9]{1,6}|true|false|\{[^{}]*\})$`)
)

// RedactText returns an option's text without the credentials in it. A text without white
// space is itself taken for a URL where it could be one, because a
// relative URL ("t?api_key=…") looks like nothing else; in longer texts (SQL) absolute
// URLs are looked for, parameters that are named like a credential, and passwords of
// connection strings. A private key is redacted whole, and what is beside it.
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

// InURL returns what RedactURL hides of a URL, as it is written and unescaped, so that
// it can be taken out of what a server says.
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

// RedactURL returns the URL without its password, and of a web address (also a relative
// one) without its user, the values in its query and its fragment: any of them may be
// a credential, whatever its name. Short numbers, true, false and {placeholders}
// stay, unless they are named like a credential. Of other URLs (databases) the user
// and the parameters stay that are not named like one. What cannot be read as a URL is
// redacted whole if it could hold a credential, as user:password@tcp(host)/database does.
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
	if web && fragment != "" && (u.Host != "" || query != "" || strings.ContainsRune(text, '{')) { // else a file or a table with # in its name
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
	if strings.ContainsRune(text, '{') { // placeholders of a path are shown as they were written
		out = strings.NewReplacer("%7B", "{", "%7D", "}").Replace(out)
	}
	return out + fragment
}

// redactPairs leaves what is not secret as it is written: url.ParseQuery would drop
// what it cannot read, and some servers can.
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

// redactValue redacts the value, or the whole of a pair without a name, unless it is
// one that no credential has.
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

// redactNamed redacts all that follows a name that looks secret or cannot be read.
// ";" may be part of a value or end it, and a fragment may have a "?" of its own.
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
