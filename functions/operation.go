package functions

import "slices"

// operation describes a route for the OpenAPI document, which TestDocument makes from
// the table and the Go types. The zero operation does not appear.
type operation struct {
	id, tag, summary string
	methods          string // those described, where not all that the route takes
	text             string
	parameters       []parameter
	accepts          *body
	answers          []reply // of success
	failures         []int   // beside those that every route of its kind has
}

// Tags name the callers of an operation.
const (
	bySources   = "sources"
	byScheduler = "scheduler"
	byPeople    = "people"
	byConsumers = "consumers"
	byPlatform  = "platform"
)

// schema is a JSON Schema where no Go type says enough.
type schema = map[string]any

// parameter is one of the query or of the header. The path's are in pathParameters.
type parameter struct {
	in, name, text string
	schema         schema
}

// body describes the body of a request: each media type with its alternatives, which are
// values of Go types or schemas.
type body struct {
	text     string
	optional bool
	media    []string
	of       []any
}

// reply is an answer that is described with its body.
type reply struct {
	status  int
	text    string
	media   []string
	of      any // a value of the Go type, or a schema; nil for none
	headers []string
	orText  bool // plain text is an answer, too
}

func op(id, tag, summary string) operation {
	return operation{id: id, tag: tag, summary: summary}
}

// only limits the methods that are described.
func (o operation) only(methods string) operation {
	o.methods = methods
	return o
}

func (o operation) note(text string) operation {
	o.text = text
	return o
}

func (o operation) reads(parameters ...parameter) operation {
	o.parameters = append(o.parameters, parameters...)
	return o
}

// takes adds a JSON body, which is one of the alternatives.
func (o operation) takes(text string, alternatives ...any) operation {
	o.accepts = &body{text: text, media: []string{"application/json"}, of: alternatives}
	return o
}

// takesAs adds a body of other media types.
func (o operation) takesAs(text string, media []string, alternatives ...any) operation {
	o.accepts = &body{text: text, media: media, of: alternatives}
	return o
}

// orNothing says that the body may be left out.
func (o operation) orNothing() operation {
	b := *o.accepts
	b.optional = true
	o.accepts = &b
	return o
}

// gives adds an answer of JSON.
func (o operation) gives(status int, text string, of any, headers ...string) operation {
	o.answers = append(o.answers, reply{status: status, text: text, media: []string{"application/json"}, of: of, headers: headers})
	return o
}

// orText says that the answer added last may be plain text as well.
func (o operation) orText() operation {
	o.answers = slices.Clone(o.answers)
	o.answers[len(o.answers)-1].orText = true
	return o
}

// serves adds an answer of other media types.
func (o operation) serves(text string, media ...string) operation {
	o.answers = append(o.answers, reply{status: 200, text: text, media: media, of: schema{"type": "string"}})
	return o
}

// lists adds an answer of JSON Lines. of describes a line.
func (o operation) lists(text string, of any) operation {
	o.answers = append(o.answers, reply{status: 200, text: text, media: []string{jsonLines}, of: of})
	return o
}

// done adds an answer without a body.
func (o operation) done(status int, text string, headers ...string) operation {
	o.answers = append(o.answers, reply{status: status, text: text, headers: headers})
	return o
}

// problem adds an answer that is more than a plain problem.
func (o operation) problem(status int, text string, of any, headers ...string) operation {
	o.answers = append(o.answers, reply{status: status, text: text, media: []string{"application/problem+json"}, of: of, headers: headers})
	return o
}

func (o operation) fails(statuses ...int) operation {
	o.failures = append(o.failures, statuses...)
	return o
}

func inQuery(name, text string) parameter {
	return parameter{in: "query", name: name, text: text, schema: schema{"type": "string"}}
}

func inHeader(name, text string) parameter {
	return parameter{in: "header", name: name, text: text, schema: schema{"type": "string"}}
}

func instant(name, text string) parameter {
	return parameter{in: "query", name: name, text: text, schema: schema{"type": "string", "format": "date-time"}}
}

func address(name, text string) parameter {
	return parameter{in: "query", name: name, text: text, schema: schema{"type": "string", "format": "uri"}}
}

func choice(name, text string, values ...string) parameter {
	return parameter{in: "query", name: name, text: text, schema: schema{"enum": values}}
}

func yesOrNo(name, text string) parameter {
	return parameter{in: "query", name: name, text: text, schema: schema{"type": "boolean", "default": false}}
}

func number(name, text string, least, most, byDefault int) parameter {
	return parameter{in: "query", name: name, text: text, schema: schema{"type": "integer", "minimum": least, "maximum": most, "default": byDefault}}
}

// ce is an attribute of a binary CloudEvent.
func ce(attribute string) parameter {
	return inHeader("ce-"+attribute, "The attribute "+attribute+" of a binary CloudEvent. Every other attribute has a header of its own, too.")
}

// many says that the parameter may be given several times.
func (p parameter) many() parameter {
	p.schema = schema{"type": "array", "items": p.schema}
	return p
}

// Parameters that several routes have.
var (
	ofEvents = []parameter{
		idempotencyKey, ce("specversion"), ce("id"), ce("source"), ce("type"),
		inHeader("X-Goog-Pubsub-Message-Id", "The message id of an unwrapped Pub/Sub push. It is part of the idempotency key."),
		inHeader("X-Goog-Pubsub-Subscription-Name", "The subscription of an unwrapped Pub/Sub push. It is part of the idempotency key."),
		inHeader("X-CloudTasks-QueueName", "The queue of a Cloud Task. It is part of the idempotency key."),
		inHeader("X-CloudTasks-TaskName", "The name of a Cloud Task. It is part of the idempotency key."),
		inHeader("X-CloudScheduler-JobName", "The job of Cloud Scheduler. It is part of the idempotency key."),
		inHeader("X-CloudScheduler-ScheduleTime", "The time of the job's run. It is part of the idempotency key."),
	}
	ofBatch = parameter{
		in: "header", name: "Idempotency-Key", schema: schema{"type": "string"},
		text: "The batch's key. An item's place in the batch completes it: send the same items in the same order again.",
	}
	idempotencyKey = inHeader("Idempotency-Key", "An event that is sent again with the same key counts once. The key is remembered for 24 hours, or for the window if that is longer.")
	ifMatch        = inHeader("If-Match", "ETags, one of which the current version must have; otherwise the answer is 412 and nothing changes. `*` is any version.")
	limit          = number("limit", "Items per page.", 1, maxPage, defaultPage)
	after          = inQuery("after", "The `next` of the page before.")
	correlationKey = inQuery("key", "A correlation key, of a service with correlation.")
	countKeys      = parameter{in: "query", name: "count", text: "Count the correlation keys for which events wait, and read at most so many events for it.", schema: schema{"type": "integer", "minimum": 1, "maximum": maxCounted}}
	rejectReason   = inQuery("reason", "Only rejects with this reason of a summary. Such a page may have fewer rejects than limit, or none, and a `next` all the same.")
	rejectSummary  = yesOrNo("summary", "Count all rejects, also by reason.")
	firedTask      = inHeader("X-CloudTasks-TaskName", "The task of Cloud Tasks that calls. If the window is still open, the next task is created.")
	wait           = yesOrNo("wait", "Answer when the run has ended, or after four minutes with the run as it then is.")
	listID         = inQuery("externalTaskListId", "The id of the list.")
	clientSecret   = inHeader("X-Client-Secret", "The client's secret, which Headgate passes on to the resolver of an entity.")
	datatype       = inQuery("type", "The datatype. It may be left out if the sync has only one.")
	runMethod      = choice("method", "Default: the type of the sync. pullFrom and pushTo are OurWater's names for pull and push.", "validate", "pull", "push", "both", "pullFrom", "pushTo")
	confirm        = yesOrNo("confirm", "Store the new links. Without it, the answer says what would be done.")
	allowDeletes   = yesOrNo("allowDeletes", "Delete as many records as are gone, however many.")

	accessToken = inQuery("access_token", "A bearer token, for clients that cannot set the header Authorization.")
)

// webhookHeaders are the headers that verify and name a webhook.
var webhookHeaders = []parameter{
	inHeader("Webhook-Id", "The webhook's id. A webhook that is sent twice under one id counts once."),
	inHeader("Webhook-Timestamp", "When it was sent, in seconds since 1970 (Standard Webhooks)."),
	inHeader("Webhook-Signature", "Its signatures (Standard Webhooks)."),
	inHeader("X-Hub-Signature-256", "Its signature in GitHub's form. The configuration can name another header."),
	inHeader("X-GitHub-Delivery", "The webhook's id in GitHub's form."),
	inHeader("X-Hub-Signature", "Its signature in Bitbucket's form."),
	inHeader("X-Request-UUID", "The webhook's id in Bitbucket's form."),
	inHeader("X-Gitlab-Token", "GitLab's secret token."),
	inHeader("Idempotency-Key", "The webhook's id in GitLab's form, and in that of others."),
	inHeader("Stripe-Signature", "Its timestamp and its signatures in Stripe's form. The body has its id."),
	inHeader("X-Slack-Signature", "Its signature in Slack's form. The body has its id."),
	inHeader("X-Slack-Request-Timestamp", "When Slack sent it, in seconds since 1970."),
	inHeader("X-Shopify-Hmac-SHA256", "Its signature in Shopify's form."),
	inHeader("X-Shopify-Webhook-Id", "The webhook's id in Shopify's form."),
	inHeader("X-Twilio-Signature", "Its signature in Twilio's form."),
}

const signedNote = "A signature shows who calls, where the configuration has secrets to check it with. Elsewhere the caller needs the role `ingest`, if the configuration has `auth`."

const alsoLive = "A token that `live.token` of the configuration describes lets the client in as well."

// pathParameters describes what a path's {name} stands for, by the path up to it.
var pathParameters = map[string]string{
	"/event/{key}":                    "The endpoint's eventKey. It may contain slashes.",
	"/events/{key}":                   "The endpoint's eventKey. It may contain slashes.",
	"/feed/{name}":                    "The feed's name in the configuration.",
	"/feeds/{name}":                   "The feed's name in the configuration.",
	"/messages/{eventID}":             "The message's eventID.",
	"/sync/{id}":                      "The sync's id.",
	"/sync/{id}/runs/{runId}":         "The run's id.",
	"/sync/{id}/conflicts/{recordId}": "The record's id.",
	"/orgs/{org}":                     "The organisation's id.",
	"/ourwater/{org}":                 "The organisation's id.",
	"/ourwater/{org}/{id}":            "The sync's id.",
	"/ourwater/{org}/run/{id}":        "The sync's id.",
	"/ourwater/{org}/syncRuns/{id}":   "The sync's id.",
	"/files/{file}":                   "The file's name.",
	"/orgs/{org}/{type}":              "The datatype.",
	"/orgs/{org}/{type}/{id}":         "The record's id.",
	"/hooks/{name}":                   "The hook's name in the configuration.",
	"/webhooks/{id}":                  "The id of the registered webhook.",
	"/webhooks/{id}/deliveries/{n}":   "The delivery's number, an integer from 1.",
	"/drafts/{name}":                  "The draft's name in the configuration.",
	"/drafts/{name}/{action}":         "What to do: accept, keep, save, discard or fetch.",
	"/console/{file}":                 "The file's name.",
	"/services/{service}":             "The serviceName, URL-escaped.",
}

// pathSchemas has the schemas of those that are more than a string.
var pathSchemas = map[string]schema{
	"/webhooks/{id}/deliveries/{n}": {"type": "integer", "minimum": 1},
	"/drafts/{name}/{action}":       {"enum": []string{"accept", "keep", "save", "discard", "fetch"}},
}
