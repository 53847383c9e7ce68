package credential

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// User stands for the user information of a URL, where others are names of parameters.
const User = "@"

// whole are names that mean a credential where they are all of a name. They are too
// short, or too ordinary within others, to be looked for in every name.
var whole = map[string]bool{
	"sas": true, "x-sas": true, "oauth_verifier": true, "code_verifier": true,
	"x-amzn-oidc-data": true, // a JWT that names the user, signed by Amazon's load balancer
}

// perhaps are names of credentials and of ordinary data alike; the value decides. A code
// is OAuth's, or an Azure function's key, but also a country's or a discount's; a ticket
// signs in (CAS), and has a number; a session is a user's, or a talk's at a conference.
// A pin is not among them: it is a postal code or a contact of a chip at least as often,
// and four digits look the same in all of them. redactHeaders drops it where it is one.
var perhaps = []string{"code", "session", "ticket", "x-code", "x-session", "x-ticket"}

// minRandom is the length from which a value under such a name is a credential. Codes
// and numbers that people hand on are shorter, and what is random enough to be safe is not.
const minRandom = 16

// Sent reports whether a request that has the value under that name (of a header, or of
// a query parameter) sends a credential, whatever Named says of the name.
func Sent(name, value string) bool {
	return authorizes(value) ||
		len(value) >= minRandom && slices.ContainsFunc(perhaps, func(p string) bool { return strings.EqualFold(p, name) }) && random(value)
}

// random reports whether a value has letters and digits, and no white space: names of
// things that people give have few digits, and numbers no letters.
func random(value string) bool {
	return strings.IndexFunc(value, unicode.IsSpace) < 0 && strings.IndexFunc(value, unicode.IsDigit) >= 0 && strings.IndexFunc(value, unicode.IsLetter) >= 0
}

var token68 = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`) // RFC 9110, section 11.2

// authorizes reports whether a value is one of an Authorization header, which
// proxies and clients repeat under other names.
func authorizes(value string) bool {
	scheme, rest, found := strings.Cut(strings.TrimSpace(value), " ")
	if !found || len(scheme) > 20 {
		return false
	}
	rest = strings.TrimSpace(rest)
	is := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, scheme) })
	}
	switch {
	case is("bearer"):
		return token68.MatchString(rest)
	case is("basic"): // a plan may be "Basic annual", which has no user and password in it
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			plain, err = base64.RawStdEncoding.DecodeString(rest)
		}
		return err == nil && strings.Contains(string(plain), ":")
	case is("negotiate", "ntlm", "dpop", "token", "apikey", "api-key"):
		return len(rest) >= minRandom && token68.MatchString(rest)
	case is("aws"):
		return strings.Contains(rest, ":") && strings.HasPrefix(rest, "A")
	case len(scheme) > 5 && strings.EqualFold(scheme[:5], "aws4-"):
		return strings.Contains(rest, "Credential=")
	}
	return false
}

var (
	userInfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*)://([^/?#\s'"<>]*)@`)
	webUser  = []string{"http", "https", "ws", "wss"}
)

// redactUsers returns the text without the user information of URLs in it: with a
// password, and in web addresses without one, for tokens stand there, too.
func redactUsers(text string) (out string, found bool) {
	if !strings.Contains(text, "://") || !strings.Contains(text, "@") {
		return text, false
	}
	out = userInfo.ReplaceAllStringFunc(text, func(start string) string {
		scheme, user, _ := strings.Cut(start, "://")
		if user == "@" || user == Redacted+"@" || !strings.Contains(user, ":") && !slices.Contains(webUser, strings.ToLower(scheme)) {
			return start
		}
		found = true
		return scheme + "://" + Redacted + "@"
	})
	return out, found
}
