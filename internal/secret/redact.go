// Package secret keeps credentials out of sight, and finds them where a
// definition only refers to them.
package secret

import (
	"net/url"
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

// LooksSecret is whether something of that name (an option, a header, a query
// parameter) is likely a credential.
func LooksSecret(name string) bool {
	plain := strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(name))
	for _, w := range words {
		if strings.Contains(plain, w) {
			return true
		}
	}
	return plain == "pwd" || plain == "pass" || plain == "auth" || plain == "key" || plain == "sig"
}

// RedactURL returns the URL without the password and the parameters of its query
// that look secret. What cannot be read as a URL is redacted whole if it could
// hold a credential.
func RedactURL(text string) string {
	if text == "" || IsReference(text) {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		if strings.ContainsAny(text, "@?") {
			return Redacted
		}
		return text
	}
	changed := false
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), Redacted)
		changed = true
	}
	q := u.Query()
	for name := range q {
		if LooksSecret(name) {
			q.Set(name, Redacted)
			changed = true
		}
	}
	if !changed {
		return text
	}
	u.RawQuery = q.Encode()
	return u.String()
}
