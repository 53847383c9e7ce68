// Package credential knows what a credential looks like: by its name, as a
// reference, and inside a URL. It is the one list that everything else goes by:
// events, definitions, the configuration and the log. It is pure.
package credential

import (
	"slices"
	"strings"
)

// Redacted stands for a credential that is not shown.
const Redacted = "REDACTED"

// words are what names of credentials have in them, separators left out.
var words = []string{
	"password", "passwd", "passphrase", "passcode", "secret", "token", "credential", "authorization", "cookie", "jwt", "signature",
	"assertion", "bearer", "authcode", "sessionid", "sessid",
	"apikey", "accesskey", "privatekey", "authkey", "appkey", "subscriptionkey", "functionskey", "sharedkey", "masterkey",
	"userkey", "servicekey", "webhookkey", "accountkey", "clientkey", "serverkey", "sessionkey", "signingkey", "encryptionkey",
}

// short are words that mean a credential only where they stand by themselves.
var short = []string{"pwd", "pass", "auth", "key", "sig", "otp", "totp", "sid"}

// stems are in every one of the words above: most names have none, and are judged by
// that alone, for an event has many headers.
var stems = []string{"pass", "pwd", "secret", "token", "credential", "auth", "cookie", "jwt", "sig", "key", "assertion", "bearer", "sess", "otp", "sid"}

// about follow a short word that is then no credential: X-Auth-Request-Email says who
// called, and a Key-Id which key was used.
var about = []string{"id", "type", "name", "user", "username", "email", "request", "groups", "method", "scheme", "time", "status", "version"}

// harmless are names with such a word in them that say where something is, or how
// much of it there is, and open nothing. They are taken out of a name before it is
// judged, so Next-Token-Secret is still a credential.
var harmless = []string{
	"nextpagetoken", "pagetoken", "nexttoken", "continuationtoken", "synctoken", "cursortoken", "resumetoken", "skiptoken", "channeltoken",
	"idempotencytoken", "idempotencykey", "requesttoken", "websocketkey", "partitionkey", "routingkey", "eventkey", "messagekey",
	"recordkey", "objectkey", "primarykey", "sortkey", "orderingkey", "cachekey", "surrogatekey", "publickey", "foreignkey", "rowkey",
	"hashkey", "entitykey", "documentkey", "correlationkey", "groupkey", "deduplicationkey", "dedupkey", "issuekey", "projectkey",
	"remainingtokens", "limittokens", "resettokens", "maxtokens", "tokensused", "tokentype", "tokencount", "tokenizer", "assertiontype",
}

// withoutHarmless puts a space in place of each: an event has many headers, and one pass is fast.
var withoutHarmless = func() *strings.Replacer {
	var pairs []string
	for _, h := range harmless {
		pairs = append(pairs, h, " ")
	}
	return strings.NewReplacer(pairs...)
}()

// Named reports whether something of that name (a header, a query parameter, an
// option, a log attribute) is likely a credential.
func Named(name string) bool {
	lower := strings.ToLower(name)
	if whole[lower] {
		return true
	}
	if !slices.ContainsFunc(stems, func(stem string) bool { return strings.Contains(lower, stem) }) {
		return false
	}
	parts := strings.FieldsFunc(lower, separates)
	plain := withoutHarmless.Replace(strings.Join(parts, ""))
	for _, w := range words {
		if strings.Contains(plain, w) {
			return true
		}
	}
	for i, part := range parts {
		switch {
		case !slices.Contains(short, part):
		case i > 0 && slices.Contains(harmless, parts[i-1]+part):
		case i+1 < len(parts) && slices.Contains(about, parts[i+1]):
		default: // X-Auth, Ocp-Apim-Subscription-Key
			return true
		}
	}
	return false
}

// Header reports whether a header of that name is likely a credential. A signature is
// none there: it vouches for this one request and opens nothing else, and a consumer
// may want to verify it. (In a URL, a signature is what opens it.)
func Header(name string) bool {
	if !Named(name) {
		return false
	}
	lower := strings.ToLower(name)
	rest := strings.ReplaceAll(lower, "signature", "")
	return rest == lower || Named(rest)
}

func separates(r rune) bool { return strings.ContainsRune("-_. $[]", r) }
