package credential

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// User stands for the user information of a URL among the names of parameters.
const User = "@"

// whole are complete names of credentials. Within longer names they are too short or
// too ordinary to mean one.
var whole = map[string]bool{
	"sas": true, "x-sas": true, "oauth_verifier": true, "code_verifier": true,
	"x-amzn-oidc-data": true, // a JWT that names the user, signed by Amazon's load balancer
}

// perhaps are names of credentials and of ordinary data; the value decides. A code is
// OAuth's or an Azure function's key, but also a country's or a discount's. A ticket
// signs in (CAS), or has a number. A session is a user's, or a talk's at a conference.
//
// "pin" is not listed: it is as often a postal code or a contact of a chip, and four
// digits look the same in all of them. The option redactHeaders drops a pin that is a
// credential.
var perhaps = []string{"code", "session", "ticket", "x-code", "x-session", "x-ticket"}

// minRandom is the length from which a value under such a name counts as a credential.
// Codes and numbers that people pass on are shorter; a value that is random enough to
// be safe is not.
const minRandom = 16

// Sent reports whether a header or a query parameter carries a credential, judged by its
// value. It is for names for which Named is false.
func Sent(name, value string) bool {
	return authorizes(value) ||
		len(value) >= minRandom && slices.ContainsFunc(perhaps, func(p string) bool { return strings.EqualFold(p, name) }) && random(value)
}

// random reports whether a value looks random: it has letters and digits, and no white
// space. Names that people give rarely have digits, and numbers have no letters.
func random(value string) bool {
	return strings.IndexFunc(value, unicode.IsSpace) < 0 && strings.IndexFunc(value, unicode.IsDigit) >= 0 && strings.IndexFunc(value, unicode.IsLetter) >= 0
}

var token68 = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`) // RFC 9110, section 11.2

// authorizes reports whether a value has the form of an Authorization header. Proxies
// and clients repeat that header under other names.
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
	case is("basic"): // not every such value is one: a plan may be called "Basic annual"
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

// redactUsers redacts the user information of the URLs in a text. In a web address it
// does so even without a password, because the user may be a token.
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
