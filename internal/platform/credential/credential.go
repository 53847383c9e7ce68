// Package credential recognises credentials by their names, as references, and inside
// URLs. Events, definitions, the configuration and the log all use this one list, so
// that a credential that is hidden in one place is hidden in all. The package is pure.
package credential

import (
	"slices"
	"strings"
)

// Redacted stands for a credential that is not shown: in definitions, in the effective
// configuration, in URLs and in the log.
const Redacted = "REDACTED"

// words occur in names of credentials, once separators are removed.
var words = []string{
	"password", "passwd", "passphrase", "passcode", "secret", "token", "credential", "authorization", "cookie", "jwt", "signature",
	"assertion", "bearer", "authcode", "sessionid", "sessid",
	"apikey", "accesskey", "privatekey", "authkey", "appkey", "subscriptionkey", "functionskey", "sharedkey", "masterkey",
	"userkey", "servicekey", "webhookkey", "accountkey", "clientkey", "serverkey", "sessionkey", "signingkey", "encryptionkey",
}

// short words mean a credential only as a whole part of a name: "key" in "api-key", but
// not in "keyboard".
var short = []string{"pwd", "pass", "auth", "key", "sig", "otp", "totp", "sid"}

// stems make Named fast, for an event has many headers: each word above contains one of
// them, and most names contain none.
var stems = []string{"pass", "pwd", "secret", "token", "credential", "auth", "cookie", "jwt", "sig", "key", "assertion", "bearer", "sess", "otp", "sid"}

// about are words that make a short word before them harmless: X-Auth-Request-Email
// names the caller, and Key-Id names the key that was used.
var about = []string{"id", "type", "name", "user", "username", "email", "request", "groups", "method", "scheme", "time", "status", "version"}

// harmless are names that contain one of the words, but give no access: they say where
// something is, or how much of it there is. Named removes them from a name before it
// judges the rest, so Next-Token-Secret is still a credential.
var harmless = []string{
	"nextpagetoken", "pagetoken", "nexttoken", "continuationtoken", "synctoken", "cursortoken", "resumetoken", "skiptoken", "channeltoken",
	"idempotencytoken", "idempotencykey", "requesttoken", "websocketkey", "partitionkey", "routingkey", "eventkey", "messagekey",
	"recordkey", "objectkey", "primarykey", "sortkey", "orderingkey", "cachekey", "surrogatekey", "publickey", "foreignkey", "rowkey",
	"hashkey", "entitykey", "documentkey", "correlationkey", "groupkey", "deduplicationkey", "dedupkey", "issuekey", "projectkey",
	"remainingtokens", "limittokens", "resettokens", "maxtokens", "tokensused", "tokentype", "tokencount", "tokenizer", "assertiontype",
}

// withoutHarmless replaces each of them by a space. One pass is fast, and an event has
// many headers.
var withoutHarmless = func() *strings.Replacer {
	var pairs []string
	for _, h := range harmless {
		pairs = append(pairs, h, " ")
	}
	return strings.NewReplacer(pairs...)
}()

// Named reports whether the value of a header, a query parameter, an option or a log
// attribute with that name is likely a credential.
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

// usual are names of headers that most requests have and that hold no credential. Most events
// have no others, and need no search for words.
var usual = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Accept-Language": true, "Cache-Control": true, "Connection": true, "Content-Encoding": true,
	"Content-Length": true, "Content-Type": true, "Date": true, "Forwarded": true, "Host": true, "Origin": true, "Referer": true,
	"Traceparent": true, "User-Agent": true, "Via": true, "X-Cloud-Trace-Context": true, "X-Forwarded-For": true, "X-Forwarded-Proto": true,
}

// Header reports whether a header with that name is likely a credential. A signature in
// a header is not: it authenticates this one request and gives no other access, and a
// consumer may want to verify it. (In a URL, a signature does give access.)
func Header(name string) bool {
	if usual[name] || !Named(name) {
		return false
	}
	lower := strings.ToLower(name)
	rest := strings.ReplaceAll(lower, "signature", "")
	return rest == lower || Named(rest)
}

func separates(r rune) bool { return strings.ContainsRune("-_. $[]", r) }
