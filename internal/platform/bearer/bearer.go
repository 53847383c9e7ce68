// Package bearer reads the token of an Authorization header. Whoever asks for a
// bearer token asks here, so that one spelling is accepted everywhere or nowhere.
package bearer

import (
	"net/http"
	"strings"
)

// Token returns the bearer token that a request carries. The scheme's letter case
// does not count (RFC 9110, 11.1), nor do further blanks around the token. ok is
// false without a token, with another scheme, and with two headers: which of them a
// proxy has looked at cannot be told.
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

// Set gives a request the token.
func Set(h http.Header, token string) { h.Set("Authorization", "Bearer "+token) }
