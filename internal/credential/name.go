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

// IsReference reports whether the value only says where a credential is.
func IsReference(value string) bool {
	return strings.HasPrefix(value, "env:") || strings.HasPrefix(value, "sm://")
}

// words are what names of credentials have in them, separators left out.
var words = []string{
	"password", "passwd", "passphrase", "passcode", "secret", "token", "credential", "authorization", "cookie", "jwt", "signature",
	"apikey", "accesskey", "privatekey", "authkey", "appkey", "subscriptionkey", "functionskey", "sharedkey", "masterkey",
}

// short are words that mean a credential only where they stand by themselves.
var short = []string{"pwd", "pass", "auth", "key", "sig"}

// harmless are names with such a word in them that say where something is, or how
// much of it there is, and open nothing. They are taken out of a name before it is
// judged, so Next-Token-Secret is still a credential.
var harmless = []string{
	"nextpagetoken", "pagetoken", "nexttoken", "continuationtoken", "synctoken", "cursortoken", "resumetoken", "skiptoken", "channeltoken",
	"idempotencytoken", "idempotencykey", "requesttoken", "websocketkey", "partitionkey", "routingkey", "eventkey", "messagekey",
	"recordkey", "objectkey", "primarykey", "sortkey", "orderingkey", "cachekey", "surrogatekey", "publickey",
	"remainingtokens", "limittokens", "resettokens", "maxtokens", "tokentype", "tokencount", "tokenizer",
}

// Named reports whether something of that name (a header, a query parameter, an
// option, a log attribute) is likely a credential.
func Named(name string) bool {
	lower := strings.ToLower(name)
	parts := strings.FieldsFunc(lower, separates)
	plain := strings.Join(parts, "")
	for _, h := range harmless {
		plain = strings.ReplaceAll(plain, h, " ")
	}
	for _, w := range words {
		if strings.Contains(plain, w) {
			return true
		}
	}
	for i, part := range parts {
		if slices.Contains(short, part) && (i == 0 || !slices.Contains(harmless, parts[i-1]+part)) { // X-Auth, Ocp-Apim-Subscription-Key
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
	rest := strings.ReplaceAll(strings.ToLower(name), "signature", "")
	return Named(rest)
}

func separates(r rune) bool { return strings.ContainsRune("-_. $[]", r) }
