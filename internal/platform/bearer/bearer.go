// Package bearer reads and writes the bearer token of an Authorization header. All
// code that needs the token uses it, so that every function accepts the same spellings.
package bearer

import (
	"net/http"
	"strings"
)

// Token returns the bearer token of a request. The scheme's letter case does not count
// (RFC 9110, 11.1), and blanks around the token are ignored. ok is false without a
// token, with another scheme, and with two Authorization headers: a proxy may have
// checked the other one.
func Token(h http.Header) (token string, ok bool) {
	v := h["Authorization"]
	if len(v) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(strings.Trim(v[0], " \t"), " ")
	token = strings.Trim(token, " \t")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", false
	}
	return token, true
}

// Set puts the token into the header of a request.
func Set(h http.Header, token string) { h.Set("Authorization", "Bearer "+token) }
