// Package origin compares the origins of web pages and the hosts of requests. It
// ignores letter case and a port that is its scheme's default, so two spellings of one
// origin are equal. The package is pure.
package origin

import (
	"net"
	"net/url"
	"strings"
)

// Normal returns an origin ("https://app.test:443") as a browser writes it
// ("https://app.test"). ok is false for a text that is not an origin, such as "null".
func Normal(text string) (normal string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	return u.Scheme + "://" + Host(u.Scheme, u.Host), true // Parse lowers the scheme
}

// Host returns a host, which may have a port ("App.test:443"), in lower case, and
// without the port if that is the default of the scheme.
func Host(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http", "ws":
		host = strings.TrimSuffix(host, ":80")
	case "https", "wss":
		host = strings.TrimSuffix(host, ":443")
	}
	return host
}

// Split returns the name (or address) and the port of a host: in lower case, without
// brackets and without a final dot. The port may be "".
func Split(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil { // there is no port
		name, port = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ""
	}
	return strings.ToLower(strings.TrimSuffix(name, ".")), port
}

// Matches reports whether a configured host ("app.test" for any port, or
// "app.test:8443") matches the host that a request names. A request's host without a
// port matches both default ports, because the host does not tell the scheme.
func Matches(configured, host string) bool {
	wantName, wantPort := Split(configured)
	name, port := Split(host)
	if name != wantName {
		return false
	}
	return wantPort == "" || port == wantPort || port == "" && (wantPort == "80" || wantPort == "443")
}
