package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// valid is changed by replacing parts of it.
const valid = `{
  "serviceName": "s",
  "trigger": {"type": "window", "observationPeriod": 60},
  "endpoints": [{"eventKey": "a"}, {"eventKey": "b"}],
  "targetPubSub": {"topic": "projects/my-project/topics/sync"}
}`

const (
	endpointB = `{"eventKey": "b"}`
	topic     = `projects/my-project/topics/sync`
	hash      = `9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`
	// token is a valid token; with puts deployment fields into valid.
	token = `{"name": "t", "sha256": "` + hash + `", "roles": ["read"]}`
)

func change(t *testing.T, old, replacement string) string {
	require.Contains(t, valid, old)
	return strings.Replace(valid, old, replacement, 1)
}

func with(fields string) string { return strings.TrimSuffix(valid, "\n}") + ",\n  " + fields + "\n}" }

// broken is a fault and the document that has it.
type broken struct {
	name     string
	doc      string
	want     string // the faults, one per line
	noSchema bool   // a schema cannot say it
}

func cases(t *testing.T) []broken {
	endpoint := func(fields string) string { return change(t, endpointB, `{"eventKey": "b", `+fields+`}`) }
	key := func(k string) string { return change(t, `"b"`, `"`+k+`"`) }
	period := func(p string) string { return change(t, `60`, p) }
	topicOf := func(s string) string { return change(t, topic, s) }
	auth := func(a string) string { return with(`"auth": ` + a) }
	tokens := func(ts string) string { return auth(`{"tokens": [` + ts + `]}`) }
	oidc := func(audiences, members string) string {
		return auth(`{"oidc": {"audiences": [` + audiences + `], "members": [` + members + `]}}`)
	}
	const member, aud = `{"email": "a@b", "roles": ["read"]}`, `"/projects/1/locations/europe-west1/services/headgate"`
	iap := func(audiences, members string) string {
		return auth(`{"iap": {"audiences": [` + audiences + `]}, "members": [` + members + `]}`)
	}
	badAudience := func(given string) string {
		return "$.auth.iap.audiences[0]: must be /projects/<number>/locations/<region>/services/<name> or /projects/<number>/<global or region>/backendServices/<number>, not " + given
	}
	hooks := func(fields string) string { return with(`"hooks": [{"name": "a", ` + fields + `}]`) }
	service := func(name string) string { return strings.Replace(valid, `"s"`, `"`+name+`"`, 1) }
	const (
		methods  = "must be GET, POST, OPTIONS, HEAD, PUT, DELETE, TRACE, CONNECT or PATCH, not "
		noPeriod = "$.trigger.observationPeriod: is required: from 1 to 31622400 seconds (366 days)"
		tooLong  = "$.trigger.observationPeriod: must be from 1 to 31622400 seconds (366 days)"
		badURL   = "$.publicURL: must be an absolute http or https URL without user, query and fragment, not "
		badTopic = "$.targetPubSub.topic: "
		badName  = " is not a topic's name: 3 to 255 letters, digits and -_.~+%, the first a letter"
		badKey   = `cannot be a URL's path: a segment is empty, "." or ".."`
	)
	return []broken{
		// Documents.
		{"empty", " \n", "$: the configuration is empty", true},
		{"not JSON", "{\n  é\n}", "$: not JSON: line 2, column 3: invalid character 'Ã' looking for beginning of object key string", true},
		{"cut short", `{"a":`, "$: not JSON: line 1, column 5: unexpected end of JSON input", true},
		{"trailing comma", "{\"a\":[1,]}", "$: not JSON: line 1, column 9: invalid character ']' looking for beginning of value", true},
		{"trailing data", valid + "\n{}", "$: not JSON: line 7, column 1: invalid character '{' after top-level value", true},
		{"too deep", strings.Repeat("[", 20_000), "$: not JSON: line 1, column 10001: invalid character '[' exceeded max depth", true},
		{"not UTF-8", "{\n\"\xff\"}", "$: not UTF-8: line 2, column 2", true},
		{"an array", `[]`, "$: must be an object, not an array", false},
		{"null", `null`, "$: must be an object, not null", false},
		{"nothing in it", `{}`, "$.serviceName: is required\n$.trigger: is required\n$.endpoints: is required\n$.targetPubSub: is required", false},

		// Fields.
		{"misspelt", change(t, `"serviceName"`, `"serviceNmae"`), "$.serviceNmae: unknown field; did you mean \"serviceName\"?\n$.serviceName: is required", false},
		{"misspelt below", endpoint(`"minNbOfOccurence": 2`), `$.endpoints[1].minNbOfOccurence: unknown field; did you mean "minNbOfOccurrence"?`, false},
		{"unknown", with(`"projectID": "p"`), "$.projectID: unknown field", false},
		{"unknown, odd name", with(`"a.b c": 1`), `$["a.b c"]: unknown field`, false},
		{"unknown, long name", with(`"` + strings.Repeat("x", 100) + `": 1`), `$["` + strings.Repeat("x", 80) + `…"]: unknown field`, false},
		{"twice", endpoint(`"eventKey": "c"`), "$.endpoints[1].eventKey: given twice", true},
		{"twice in two cases", endpoint(`"EventKey": "c"`), `$.endpoints[1].eventKey: given twice, as "eventKey" and "EventKey"`, false},
		{"wrong type: string", change(t, `"s"`, `1`), "$.serviceName: must be a string, not a number", false},
		{"wrong type: object", change(t, `{"topic": "`+topic+`"}`, `"`+topic+`"`), "$.targetPubSub: must be an object, not a string", false},
		{"wrong type: array", endpoint(`"acceptedHttpMethods": "GET"`), "$.endpoints[1].acceptedHttpMethods: must be an array, not a string", false},
		{"wrong type: boolean", with(`"asyncEventTrigger": "true"`), "$.asyncEventTrigger: must be true or false, not a string", false},
		{"wrong type: integer", with(`"retentionDays": true`), "$.retentionDays: must be an integer, not true or false", false},
		{"fraction", period(`0.5`), "$.trigger.observationPeriod: must be an integer, not 0.5", false},
		{"exponent", period(`6e1`), "$.trigger.observationPeriod: must be an integer, not 6e1", true},
		{"null required", change(t, `"s"`, `null`), "$.serviceName: must be a string, not null", false},
		{"null endpoint", change(t, endpointB, `null`), "$.endpoints[1]: must be an object, not null", false},
		{"null auth", with(`"auth": null`), "$.auth: must be an object, not null", false},

		// Services.
		{"both forms", with(`"services": [` + valid + `]`), `$.serviceName: cannot stand beside "services": move it into an entry of that list
$.trigger: cannot stand beside "services": move it into an entry of that list
$.endpoints: cannot stand beside "services": move it into an entry of that list
$.targetPubSub: cannot stand beside "services": move it into an entry of that list`, false},
		{"no services", `{"services": []}`, "$.services: must have at least one service, or be left out: then there is no gate", false},
		{"services null", `{"services": null}`, "$.services: must be an array, not null", false},
		{"same names", `{"services": [` + service("x") + `,` + service("y") + `,` + service("x") + `]}`, `$.services[2].serviceName: services[0] and services[2] have the same serviceName "x"`, true},
		{"fault of a service", `{"services": [` + valid + `,` + service("") + `]}`, "$.services[1].serviceName: must not be empty", false},
		{"deployment field in a service", `{"services": [` + with(`"cors": {}`) + `]}`, "$.services[0].cors: unknown field", false},
		{"name empty", change(t, `"s"`, `""`), "$.serviceName: must not be empty", false},

		// Trigger.
		{"type", change(t, `"window"`, `"Window"`), `$.trigger.type: must be window or none, not "Window"`, false},
		{"no type", change(t, `"type": "window", `, ``), "$.trigger.type: is required", false},
		{"no period", change(t, `, "observationPeriod": 60`, ``), noPeriod, true},
		{"period 0", period(`0`), "$.trigger.observationPeriod: must be from 1 to 31622400 seconds (366 days)", true},
		{"period negative", period(`-1`), tooLong, false},
		{"period 10^10", period(`10000000000`), tooLong, false},
		{"period over int64", period(`99999999999999999999`), tooLong, false},

		// Endpoints.
		{"no endpoint", change(t, `{"eventKey": "a"}, `+endpointB, ``), "$.endpoints: must have at least one endpoint", false},
		{"no key", change(t, endpointB, `{}`), "$.endpoints[1].eventKey: is required", false},
		{"key empty", key(``), "$.endpoints[1].eventKey: must not be empty", false},
		{"same keys", key(`a`), `$.endpoints[1].eventKey: endpoints[0] and endpoints[1] have the same eventKey "a"`, true},
		{"key /", key(`/b`), `$.endpoints[1].eventKey: "/b" ` + badKey, false},
		{"key //", key(`b//c`), `$.endpoints[1].eventKey: "b//c" ` + badKey, false},
		{"key .", key(`.`), `$.endpoints[1].eventKey: "." ` + badKey, false},
		{"key ..", key(`b/../c`), `$.endpoints[1].eventKey: "b/../c" ` + badKey, false},
		{"method", endpoint(`"acceptedHttpMethods": ["get", "FETCH"]`), `$.endpoints[1].acceptedHttpMethods[1]: ` + methods + `"FETCH"`, false},
		{"selection", endpoint(`"eventToSend": "SOME"`), `$.endpoints[1].eventToSend: must be ALL, FIRST, LAST or BOUNDARIES, not "SOME"`, false},
		{"occurrences negative", endpoint(`"minNbOfOccurrence": -1`), "$.endpoints[1].minNbOfOccurrence: must be from 1 to 1000000", false},
		{"occurrences too many", endpoint(`"minNbOfOccurrence": 1000001`), "$.endpoints[1].minNbOfOccurrence: must be from 1 to 1000000", false},
		{"unwrap", endpoint(`"unwrap": "eventarc"`), `$.endpoints[1].unwrap: must be pubsub, not "eventarc"`, false},
		{"source of nothing", endpoint(`"source": {}`), "$.endpoints[1].source: must have one of pubsub, eventarc and scheduler", true},
		{"two sources", endpoint(`"source": {"pubsub": {"topic": "` + topic + `"}, "scheduler": {"cron": "0 3 * * *"}}`), "$.endpoints[1].source: must have one of pubsub, eventarc and scheduler", true},
		{"source by POST", endpoint(`"acceptedHttpMethods": ["GET"], "source": {"pubsub": {"topic": "` + topic + `"}}`), "$.endpoints[1].source: calls with POST, which acceptedHttpMethods does not list", true},
		{"source's cron", endpoint(`"source": {"scheduler": {"cron": "0 3 * *"}}`), "$.endpoints[1].source.scheduler.cron: there are 4 fields, and cron has 5: minute, hour, day of the month, month, day of the week", true},
		{"source's type", endpoint(`"source": {"eventarc": {}}`), "$.endpoints[1].source.eventarc.type: is required", false},
		{"source's type's form", endpoint(`"source": {"eventarc": {"type": "a,serviceAccount=b"}}`), `$.endpoints[1].source.eventarc.type: must be a type without commas and spaces, such as google.cloud.storage.object.v1.finalized, not "a,serviceAccount=b"`, false},
		{"source's filter", endpoint(`"source": {"eventarc": {"type": "a", "filters": ["type=a"]}}`), "$.endpoints[1].source.eventarc.filters[0]: is eventarc.type, and no filter beside it", true},
		{"source's filter's form", endpoint(`"source": {"eventarc": {"type": "a", "filters": ["bucket"]}}`), `$.endpoints[1].source.eventarc.filters[0]: must be name=value, such as bucket=my-bucket, not "bucket"`, false},
		{"source's location", endpoint(`"source": {"eventarc": {"type": "a", "location": "EU"}}`), `$.endpoints[1].source.eventarc.location: must be a location, such as europe-west3 or eu, not "EU"`, false},
		{"shards", endpoint(`"shards": 65`), "$.endpoints[1].shards: must be from 0 to 64", false},
		{"shards negative", endpoint(`"shards": -1`), "$.endpoints[1].shards: must be from 0 to 64", false},

		// Topic.
		{"no target", change(t, `"targetPubSub"`, `"target"`), "$.target: unknown field; did you mean \"targets\"?\n$.targetPubSub: is required", false},
		{"no topic", change(t, `"topic": "`+topic+`"`, ``), "$.targetPubSub.topic: is required", false},
		{"topic empty", topicOf(``), badTopic + "must not be empty", false},
		{"topic a/b/c/d", topicOf(`a/b/c/d`), badTopic + `must be projects/<project>/topics/<name>, not "a/b/c/d"`, false},
		{"topic longer", topicOf(topic + `/x`), badTopic + `must be projects/<project>/topics/<name>, not "` + topic + `/x"`, false},
		{"placeholder", topicOf(`projects/<ProjectID>/topics/sync`), badTopic + `"projects/<ProjectID>/topics/sync" has a placeholder: put the real name in its place`, false},
		{"project", topicOf(`projects/My_Project/topics/sync`), badTopic + `"My_Project" is not a project id`, false},
		{"project empty", topicOf(`projects//topics/sync`), badTopic + `"" is not a project id`, false},
		{"topic name short", topicOf(`projects/p/topics/ab`), badTopic + `"ab"` + badName, false},
		{"topic name long", topicOf(`projects/p/topics/` + strings.Repeat("a", 256)), badTopic + `"` + strings.Repeat("a", 80) + `…"` + badName, false},
		{"topic name digit", topicOf(`projects/p/topics/1ab`), badTopic + `"1ab"` + badName, false},
		{"topic name space", topicOf(`projects/p/topics/a b c`), badTopic + `"a b c"` + badName, false},
		{"topic name goog", topicOf(`projects/p/topics/google`), badTopic + `"google" is not a topic's name: those that start with "goog" are reserved`, false},

		// Ranges.
		{"maxEventBytes", with(`"maxEventBytes": 8388609`), "$.maxEventBytes: must be from 1 to 8388608", false},
		{"maxEventBytes negative", with(`"maxEventBytes": -1`), "$.maxEventBytes: must be from 1 to 8388608", false},
		{"maxMessageBytes", with(`"maxMessageBytes": 1023`), "$.maxMessageBytes: must be from 1024 to 9900000", false},
		{"maxMessageBytes too many", with(`"maxMessageBytes": 9900001`), "$.maxMessageBytes: must be from 1024 to 9900000", false},
		{"retentionDays", with(`"retentionDays": 366`), "$.retentionDays: must be from 1 to 365", false},
		{"no retentionDays", with(`"retentionDays": 0`), "$.retentionDays: must be from 1 to 365", false},
		{"no message bytes", with(`"maxMessageBytes": 0`), "$.maxMessageBytes: must be from 1024 to 9900000", false},
		{"no room for events", with(`"maxPending": 0`), "$.maxPending: must be from 1 to 1000000000", false},
		{"no subscriptions", with(`"live": {"maxSubscriptions": 0}`), "$.live.maxSubscriptions: must be from 1 to 100000", false},
		{"redactHeaders", with(`"redactHeaders": ["X-A", "X B"]`), `$.redactHeaders[1]: must be the name of an HTTP header, or of a query parameter after "?", not "X B"`, false},
		{"redactHeaders empty", with(`"redactHeaders": [""]`), `$.redactHeaders[0]: must be the name of an HTTP header, or of a query parameter after "?", not ""`, false},
		{"keepHeaders", with(`"keepHeaders": ["?token", "?"]`), `$.keepHeaders[1]: must be the name of an HTTP header, or of a query parameter after "?", not "?"`, false},
		{"keepHeaders of callers", with(`"keepHeaders": ["X-Api-Key", "authorization"]`), `$.keepHeaders[1]: Authorization has the credentials of Headgate's own callers, and is never kept`, true},
		{"keepHeaders and redactHeaders", with(`"redactHeaders": ["X-A"], "keepHeaders": ["x-a"]`), `$.keepHeaders[0]: "X-A" is in redactHeaders too`, true},

		// References to credentials.
		{"secret itself", with(`"sync": {"secrets": [{"ref": "hunter2", "hosts": ["h"]}]}`), "$.sync.secrets[0].ref: must be env:NAME or sm://projects/P/secrets/S, and never the secret itself", false},
		{"secret of no name", with(`"sync": {"secrets": [{"ref": "env:", "hosts": ["h"]}]}`), `$.sync.secrets[0].ref: "env:" names no variable of the environment: env:NAME`, false},
		{"secret of no project", with(`"sync": {"secrets": [{"ref": "sm://s", "hosts": ["h"]}]}`), `$.sync.secrets[0].ref: "sm://s" is not the name of a secret: sm://projects/P/secrets/S/versions/V`, false},
		{"secret for no host", with(`"sync": {"secrets": [{"ref": "env:A", "hosts": []}]}`), "$.sync.secrets[0].hosts: must have at least one host", false},
		{"secret for a URL", with(`"sync": {"secrets": [{"ref": "env:A", "hosts": ["h", "https://h"]}]}`), `$.sync.secrets[0].hosts[1]: must be a host or host:port, not "https://h"`, true},
		{"secret for all hosts", with(`"sync": {"secrets": [{"ref": "env:A", "hosts": ["*"]}]}`), `$.sync.secrets[0].hosts[0]: must be a host or host:port, not "*"`, true},
		{"secret twice", with(`"sync": {"secrets": [{"ref": "env:A", "hosts": ["h"]}, {"ref": "env:A", "hosts": ["i"]}]}`), `$.sync.secrets[1].ref: secrets[0] and secrets[1] have the same ref "env:A"`, true},
		{"hook's secret", with(`"hooks": [{"name": "a", "signal": true, "entity": "'e'", "id": "'i'", "verify": {"type": "bearer", "secrets": ["ok", "sm://projects/P"]}}]`), `$.hooks[0].verify.secrets[1]: "sm://projects/P" is not the name of a secret: sm://projects/P/secrets/S/versions/V`, true},
		{"echo's secret", with(`"echo": {"secrets": ["env:A B"]}`), `$.echo.secrets[0]: "env:A B" names no variable of the environment: env:NAME`, true},
		{"live's secret", with(`"live": {"token": {"secret": "env:", "audience": "a"}}`), `$.live.token.secret: "env:" names no variable of the environment: env:NAME`, true},

		{"hook's short secret", hooks(`"verify": {"type": "standard", "secrets": ["whsec_c2hvcnQ="]}, "sync": "s"`), `$.hooks[0].verify.secrets[0]: is not a secret of Standard Webhooks: whsec_ and base64 of at least 16 bytes, or whpk_ and a public key`, true},
		{"echo's short secret", with(`"echo": {"secrets": ["hunter2"]}`), `$.echo.secrets[0]: is not a secret of Standard Webhooks: whsec_ and base64 of at least 16 bytes, or whpk_ and a public key`, true},
		{"live's short secret", with(`"live": {"token": {"secret": "hunte", "audience": "a"}}`), `$.live.token.secret: is too short for HS256: it must have at least 32 bytes`, true},
		{"live's short former secret", with(`"live": {"token": {"secret": "env:A", "formerSecret": "hunte", "audience": "a"}}`), `$.live.token.formerSecret: is too short for HS256: it must have at least 32 bytes`, true},
		{"live's former secret is the present one", with(`"live": {"token": {"secret": "env:A", "formerSecret": "env:A", "audience": "a"}}`), `$.live.token.formerSecret: is the same as secret: name the one before the change, or leave it out`, true},
		{"live's former secret alone", with(`"live": {"token": {"jwksURL": "https://h/keys", "formerSecret": "env:A", "audience": "a"}}`), `$.live.token.formerSecret: goes with secret`, true},

		// Hooks.
		{"hook without verify", with(`"hooks": [{"name": "a", "sync": "s"}]`), "$.hooks[0].verify: is required", false},
		{"hook's verify", hooks(`"verify": {"type": "md5", "secrets": ["x"]}, "sync": "s"`), `$.hooks[0].verify.type: must be standard, github, gitlab, bitbucket, stripe, slack, shopify, twilio, hmac, bearer or none, not "md5"`, false},
		{"hook's header", hooks(`"verify": {"type": "hmac", "secrets": ["x"]}, "sync": "s"`), "$.hooks[0].verify.header: must name the header that has the signature", true},
		{"hook's signed", hooks(`"verify": {"type": "hmac", "secrets": ["x"], "header": "h", "signed": "{timestamp}"}, "sync": "s"`), "$.hooks[0].verify.signed: must contain {body}: otherwise a signature is valid for any body\n$.hooks[0].verify.timestampHeader: is needed, because signed contains {timestamp}", true},
		{"hook's form", hooks(`"verify": {"type": "stripe", "secrets": ["x"], "form": "{signature}"}, "sync": "s"`), "$.hooks[0].verify.form: goes with the type hmac only", true},
		{"hook's tolerance", hooks(`"verify": {"type": "github", "secrets": ["x"], "tolerance": 5}, "sync": "s"`), "$.hooks[0].verify.tolerance: goes with the type hmac, stripe or slack only", true},
		{"hook's when", hooks(`"verify": {"type": "none"}, "when": "'x'", "sync": "s"`), "$.hooks[0].when: is not a valid expression: 1:1: it gives a string, and true or false is needed", true},
		{"hook's webhookId", hooks(`"verify": {"type": "none"}, "webhookId": "body.", "sync": "s"`), "$.hooks[0].webhookId: is not a valid expression: 1:6: Syntax error: no viable alternative at input '.'", true},
		{"hook's maxBytes", hooks(`"verify": {"type": "none"}, "maxBytes": 26214401, "sync": "s"`), "$.hooks[0].maxBytes: must be from 1 to 26214400", false},
		{"hook's event's maxBytes", hooks(`"verify": {"type": "none"}, "maxBytes": 8388609, "event": {"eventKey": "a"}`), "$.hooks[0].maxBytes: must be at most 8388608 for a hook with event, as an event is", true},
		{"hook does nothing", hooks(`"verify": {"type": "none"}`), "$.hooks[0]: does nothing: give it signal, sync or event", true},
		{"hook's endpoint", hooks(`"verify": {"type": "none"}, "event": {"eventKey": "c"}`), `$.hooks[0].event.eventKey: is not an endpoint of service "s": "c"`, true},
		{"hook's service", hooks(`"verify": {"type": "none"}, "event": {"serviceName": "t", "eventKey": "a"}`), `$.hooks[0].event.serviceName: there is no service "t"`, true},

		// Deployment.
		{"publicURL relative", with(`"publicURL": "/x"`), badURL + `"/x"`, false},
		{"publicURL host only", with(`"publicURL": "host:8080"`), badURL + `"host:8080"`, false},
		{"publicURL scheme", with(`"publicURL": "ftp://host"`), badURL + `"ftp://host"`, false},
		{"publicURL query", with(`"publicURL": "https://host/?"`), badURL + `"https://host/?"`, false},
		{"publicURL fragment", with(`"publicURL": "https://host#"`), badURL + `"https://host#"`, false},
		{"publicURL user", with(`"publicURL": "https://u:p@host"`), badURL + `"https://REDACTED@host"`, false},
		{"publicURL no host", with(`"publicURL": "https://:80"`), badURL + `"https://:80"`, true},
		{"publicURL port", with(`"publicURL": "https://host:x"`), badURL + `"https://host:x"`, true},
		{"host with a scheme", with(`"allowedHosts": ["gate.example", "https://gate.example"]`), `$.allowedHosts[1]: must be a host or host:port, not "https://gate.example"`, false},
		{"host pattern", with(`"allowedHosts": ["*.example"]`), `$.allowedHosts[0]: must be a host or host:port, not "*.example"`, false},
		{"cors empty", with(`"cors": {}`), "$.cors.allowedOrigins: is required", false},
		{"cors none", with(`"cors": {"allowedOrigins": []}`), "$.cors.allowedOrigins: must have at least one origin", false},
		{"cors path", with(`"cors": {"allowedOrigins": ["*", "https://a.example/"]}`), `$.cors.allowedOrigins[1]: must be "*" or scheme://host[:port], not "https://a.example/"`, false},
		{"cors pattern", with(`"cors": {"allowedOrigins": ["https://*.example"]}`), `$.cors.allowedOrigins[0]: must be "*" or scheme://host[:port], not "https://*.example"`, false},
		{"cors host only", with(`"cors": {"allowedOrigins": ["a.example"]}`), `$.cors.allowedOrigins[0]: must be "*" or scheme://host[:port], not "a.example"`, false},

		// Auth.
		{"auth empty", auth(`{}`), `$.auth: must have "iap", "oidc" or "tokens": without "auth", everybody may call`, false},
		{"auth no tokens", auth(`{"tokens": []}`), `$.auth: must have "iap", "oidc" or "tokens": without "auth", everybody may call`, false},
		{"token empty", tokens(`{}`), "$.auth.tokens[0].name: is required\n$.auth.tokens[0].sha256: is required\n$.auth.tokens[0].roles: is required", false},
		{"token name empty", tokens(strings.Replace(token, `"t"`, `""`, 1)), "$.auth.tokens[0].name: must not be empty", false},
		{"token names", tokens(token + `,` + token), `$.auth.tokens[1].name: tokens[0] and tokens[1] have the same name "t"`, true},
		{"token hash", tokens(strings.Replace(token, hash, "secret", 1)), "$.auth.tokens[0].sha256: must be the 64 hex digits of the token's SHA-256", false},
		{"token redacted", tokens(strings.Replace(token, hash, "REDACTED", 1)), `$.auth.tokens[0].sha256: "REDACTED" stands for a hash that is not shown: put the hash itself`, false},
		{"no role", tokens(strings.Replace(token, `"read"`, ``, 1)), "$.auth.tokens[0].roles: must have at least one role", false},
		{"role", tokens(strings.Replace(token, `"read"`, `"read", "admin"`, 1)), `$.auth.tokens[0].roles[1]: must be ingest, operate or read, not "admin"`, false},
		{"oidc empty", auth(`{"oidc": {}}`), "$.auth.oidc.audiences: is required\n$.auth.oidc.members: is required where auth has no members", false},
		{"no audience", oidc(``, `{"email": "a@b", "roles": ["read"]}`), "$.auth.oidc.audiences: must have at least one audience", false},
		{"audience empty", oidc(`""`, `{"email": "a@b", "roles": ["read"]}`), "$.auth.oidc.audiences[0]: must not be empty", false},
		{"no member", oidc(`"x"`, ``), "$.auth.oidc.members: must have at least one member", false},
		{"no members", auth(`{"oidc": {"audiences": ["x"]}}`), "$.auth.oidc.members: is required where auth has no members", true},
		{"members without a way", auth(`{"tokens": [` + token + `], "members": [` + member + `]}`), "$.auth.members: sign in by iap or oidc, and neither is there", true},
		{"members alone", auth(`{"members": [` + member + `]}`), `$.auth: must have "iap", "oidc" or "tokens": without "auth", everybody may call`, false},
		{"members twice", iap(aud, member+`,{"email": "A@b", "roles": ["read"]}`), `$.auth.members[1].email: members[0] and members[1] have the same email "a@b"`, true},
		{"iap empty", iap(``, member), "$.auth.iap.audiences: must have at least one audience", false},
		{"iap null", auth(`{"iap": null, "members": [` + member + `]}`), "$.auth.iap: must be an object, not null\n" + `$.auth: must have "iap", "oidc" or "tokens": without "auth", everybody may call`, false},
		{"iap without members", iap(aud, ``), "$.auth.members: must have at least one member, or iap lets nobody in", true},
		{"iap's project by name", iap(`"/projects/my-project/locations/europe-west1/services/headgate"`, member), badAudience(`"/projects/my-project/locations/europe-west1/services/headgate"`), false},
		{"iap's audience is a URL", iap(`"https://gate.example"`, member), badAudience(`"https://gate.example"`), false},
		{"iap's backend by name", iap(`"/projects/1/global/backendServices/gate"`, member), badAudience(`"/projects/1/global/backendServices/gate"`), false},
		{"email", oidc(`"x"`, `{"email": "a", "roles": ["read"]}`), `$.auth.oidc.members[0].email: must be an e-mail address, not "a"`, false},
		{"emails", oidc(`"x"`, `{"email": "a@b", "roles": ["read"]}, {"email": "A@b", "roles": ["read"]}`), `$.auth.oidc.members[1].email: members[0] and members[1] have the same email "a@b"`, true},
		{"member's role", oidc(`"x"`, `{"email": "a@b", "roles": ["Read"]}`), `$.auth.oidc.members[0].roles[0]: must be ingest, operate or read, not "Read"`, false},

		// Syncs.
		{"sync without an id", with(`"syncs": [{}, 3]`), "$.syncs[0].id: is required: a declared sync is known by it from one start to the next\n$.syncs[1].id: is required: a declared sync is known by it from one start to the next", false},
		{"syncs' ids", with(`"syncs": [{"id": "a"}, {"data": {"id": "a"}}]`), `$.syncs[1].id: syncs[0] and syncs[1] have the same id "a"`, true},

		// Live.
		{"resolver's version", with(`"live": {"resolvers": [{"entity": "e", "url": "https://h/"}, {"entity": "f", "url": "https://h/", "version": "rows[0]"}]}`), "$.live.resolvers[1].version: is not a valid expression: 1:1: undeclared reference to 'rows'", true},
		{"live path", with(`"live": {"path": "/ws/{"}`), `$.live.path: must begin with / and have no braces, spaces, ? or #, not "/ws/{"`, false},
		{"live path without slash", with(`"live": {"path": "ws"}`), `$.live.path: must begin with / and have no braces, spaces, ? or #, not "ws"`, false},

		// Drafts.
		{"draft empty", with(`"drafts": [{}]`), "$.drafts[0].name: is required\n$.drafts[0]: must have one of externalData, records and sync", false},
		{"draft of nothing", with(`"drafts": [{"name": "a"}]`), "$.drafts[0]: must have one of externalData, records and sync", true},
		{"draft of two", with(`"drafts": [{"name": "a", "records": {"orgId": "o", "type": "t"}, "sync": {"id": "s", "datatype": "t"}}]`), "$.drafts[0]: must have one of externalData, records and sync", true},
		{"draft's name", with(`"drafts": [{"name": "a/b", "records": {"orgId": "o", "type": "t"}}]`), `$.drafts[0].name: must be letters, digits, . _ ~ -, not "a/b"`, false},
		{"draft's URL", with(`"drafts": [{"name": "a", "externalData": {"url": "ftp://x"}}]`), `$.drafts[0].externalData.url: must be an http or https URL, not "ftp://x"`, false},
		{"draft's records", with(`"drafts": [{"name": "a", "records": {"orgId": "", "type": ""}}]`), "$.drafts[0].records.orgId: must not be empty\n$.drafts[0].records.type: must not be empty", false},
		{"draft's sync", with(`"drafts": [{"name": "a", "sync": {"id": "?", "datatype": ""}}]`), "$.drafts[0].sync.id: must be letters, digits, . _ ~ -, not \"?\"\n$.drafts[0].sync.datatype: must not be empty", false},
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, c := range cases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Parse([]byte(c.doc))
			require.EqualError(t, err, c.want)
			require.Nil(t, cfg)
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.Len(t, e.Faults, strings.Count(c.want, "\n")+1)
			if !c.noSchema {
				require.Error(t, validateSchema(t, schema, c.doc))
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	doc := fmt.Sprintf(`{
		"serviceName": "", "color": "red",
		"trigger": {"type": "sometimes", "observationPeriod": "60", "keepEvents": true},
		"endpoints": [{"eventKey": "a", "eventToSend": "SOME"}, null, {"eventKey": "a", "shards": 1.5}],
		"targetPubSub": {"topic": "a/b/c/d"},
		"publicURL": "x",
		"auth": {"tokens": [{"name": "t", "sha256": %q, "roles": []}]},
		"cors": {"allowedOrigins": []}
	}`, hash)
	_, err := config.Parse([]byte(doc))
	require.EqualError(t, err, strings.Join([]string{
		`$.serviceName: must not be empty`,
		`$.color: unknown field`,
		`$.trigger.type: must be window or none, not "sometimes"`,
		`$.trigger.observationPeriod: must be an integer, not a string`,
		`$.trigger.keepEvents: unknown field; the fields are at, condition, eventTime, every, grace, keepEventAfterTrigger, late, maxPeriod, observationPeriod, onClose, release, timeZone, type, window`,
		`$.endpoints[0].eventToSend: must be ALL, FIRST, LAST or BOUNDARIES, not "SOME"`,
		`$.endpoints[1]: must be an object, not null`,
		`$.endpoints[2].shards: must be an integer, not 1.5`,
		`$.targetPubSub.topic: must be projects/<project>/topics/<name>, not "a/b/c/d"`,
		`$.publicURL: must be an absolute http or https URL without user, query and fragment, not "x"`,
		`$.auth.tokens[0].roles: must have at least one role`,
		`$.cors.allowedOrigins: must have at least one origin`,
		`$.endpoints[2].eventKey: endpoints[0] and endpoints[2] have the same eventKey "a"`,
	}, "\n"))
}

func TestValidIsValid(t *testing.T) {
	t.Parallel()
	require.True(t, json.Valid([]byte(valid)))
	_, err := config.Parse([]byte(valid))
	require.NoError(t, err)
}
