// Package secret keeps credentials out of sight, and finds them where a
// definition only refers to them.
package secret

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Redacted stands for a credential that is not shown.
const Redacted = "REDACTED"

// IsReference is whether the value only says where a credential is.
func IsReference(value string) bool {
	return strings.HasPrefix(value, "env:") || strings.HasPrefix(value, "sm://")
}

// words are what names of credentials have in them.
var words = []string{
	"password", "passwd", "secret", "token", "apikey", "accesskey", "privatekey", "credential", "authorization", "cookie", "signature",
}

// short are words that mean a credential only where they stand by themselves.
var short = []string{"pwd", "pass", "auth", "key", "sig"}

// LooksSecret is whether something of that name (an option, a header, a query
// parameter) is likely a credential.
func LooksSecret(name string) bool {
	plain := strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(name))
	for _, w := range words {
		if strings.Contains(plain, w) {
			return true
		}
	}
	for part := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-_.", r) }) {
		if slices.Contains(short, part) { // Ocp-Apim-Subscription-Key, X-Auth
			return true
		}
	}
	return false
}

var authority = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://`)

// RedactURL returns the URL without the password, and without what looks secret in
// its query or its fragment. A user of HTTP may be a token and is not shown either.
// What cannot be read as a URL is redacted whole if it could hold a credential, as
// user:password@tcp(host)/database does.
func RedactURL(text string) string {
	if text == "" || IsReference(text) {
		return text
	}
	if at := strings.LastIndexByte(text, '@'); at >= 0 && !authority.MatchString(text) && strings.Contains(text[:at], ":") {
		return Redacted
	}
	u, err := url.Parse(text)
	if err != nil {
		if strings.ContainsAny(text, "@?#") {
			return Redacted
		}
		return text
	}
	user := u.User
	switch _, has := user.Password(); {
	case user != nil && (u.Scheme == "https" || u.Scheme == "http"):
		u.User = url.User(Redacted)
	case has:
		u.User = url.UserPassword(user.Username(), Redacted)
	}
	query, fragment := redactPairs(u.RawQuery), redactPairs(u.EscapedFragment())
	if u.User == user && query == u.RawQuery && fragment == u.EscapedFragment() {
		return text
	}
	u.RawQuery, u.Fragment, u.RawFragment = query, "", ""
	if fragment != "" {
		fragment = "#" + fragment
	}
	return u.String() + fragment
}

// redactPairs leaves what is not secret as it is written: url.ParseQuery would drop
// what it cannot read, and some servers can.
func redactPairs(pairs string) string {
	list := strings.Split(pairs, "&")
	for i, pair := range list {
		list[i] = redactPair(pair)
	}
	return strings.Join(list, "&")
}

// redactPair redacts all that follows a name that looks secret or cannot be read.
// ";" may be part of a value or end it, and a fragment may have a "?" of its own.
func redactPair(pair string) string {
	for start := 0; ; {
		part := pair[start:]
		end := strings.IndexAny(part, ";?")
		if end >= 0 {
			part = part[:end]
		}
		name, _, given := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if given && (err != nil || LooksSecret(plain)) {
			return pair[:start+len(name)] + "=" + Redacted
		}
		if end < 0 {
			return pair
		}
		start += end + 1
	}
}
