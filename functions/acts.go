package functions

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/web"
)

// act describes an operation in the audit.
type act struct {
	when   audit.When
	action string   // "": the operation's id
	object string   // the path of what it is done to, with the names of path values; "": the service
	query  []string // parameters that are kept
}

// acts are the operations that people do by hand and that change something, by id. The gate's
// acts are no commit of documents, and a draft, a file or a test of a webhook reaches other
// systems: their entries are stored before.
var acts = map[string]act{
	"trigger":      {when: audit.Before, query: []string{"key"}},
	"triggerAlias": {when: audit.Before, action: "trigger", query: []string{"key"}},
	"reset":        {when: audit.Before, query: []string{"eventKey", "key"}},
	"replay":       {when: audit.Before, object: "/messages/{eventID}", query: []string{"target"}},

	"createSync":    {object: "/sync"},
	"createOrgSync": {action: "createSync", object: "/sync"},
	"updateSync":    {object: "/sync/{id}"},
	"deleteSync":    {object: "/sync/{id}"},
	"deleteOrgSync": {action: "deleteSync", object: "/sync/{id}"},
	"runSync":       {object: "/sync/{id}", query: []string{"method", "allowDeletes"}},
	"runSyncShort":  {action: "runSync", object: "/sync/{id}", query: []string{"method", "allowDeletes"}},
	"runOrgSync":    {action: "runSync", object: "/sync/{id}", query: []string{"method", "allowDeletes"}},
	"runExternal":   {action: "runSync", object: "/sync"},
	"cancelRun":     {object: "/sync/{id}/runs/{runId}"},
	"relinkSync":    {object: "/sync/{id}"},
	"retryRejects":  {object: "/sync/{id}"},
	"decide":        {object: "/sync/{id}/conflicts/{recordId}", query: []string{"type"}},
	"uploadFile":    {when: audit.Before, object: "/files/{file}"},

	"putRecord":    {object: "/orgs/{org}/{type}/{id}"},
	"patchRecord":  {object: "/orgs/{org}/{type}/{id}"},
	"deleteRecord": {object: "/orgs/{org}/{type}/{id}"},

	"registerWebhook":   {object: "/webhooks", query: []string{"externalTaskListId"}},
	"unregisterWebhook": {object: "/webhooks", query: []string{"externalTaskListId"}},
	"retryDelivery":     {object: "/webhooks/{id}/deliveries/{n}"},
	"testWebhook":       {when: audit.Before, object: "/webhooks/{id}"},
	"rotateSecret":      {object: "/webhooks/{id}"},

	"editDraft":   {object: "/drafts/{name}"},
	"decideDraft": {when: audit.Before, object: "/drafts/{name}"},
}

// unaudited are the other operations that take more than GET, each with the reason why it has
// no entry.
var unaudited = map[string]string{
	"ingest":      "a source sends it, and the event is kept",
	"ingestBatch": "a source sends it, and the events are kept",
	"feed":        "a source sends it, and the event is kept",
	"feedBatch":   "a source sends it, and the events are kept",
	"receiveData": "another system pushes it, again and again; each record keeps its version",
	"notify":      "an application sends it, and nothing is changed",

	"hook":                "a system sends it, and the webhook is counted once",
	"echoWebhook":         "the source of truth sends it, and the list keeps its version",
	"externalDataWebhook": "the source of truth sends it, and the list keeps its version",
	"openSession":         "an application sends it, whenever somebody opens a document",
	"endSession":          "an application sends it, whenever somebody closes a document",

	"check":         "a scheduler sends it; it does only what is due",
	"sweep":         "a scheduler sends it; it does only what is due",
	"dueSyncs":      "a scheduler sends it; it does only what is due",
	"sweepWebhooks": "a scheduler sends it; it does only what is due",
	"syncWork":      "Pub/Sub sends it, and the run has its line",
	"syncMessage":   "Pub/Sub sends it, and the run has its line",

	"checkSync":  "it stores nothing",
	"tryColumns": "it stores nothing",
}

// mostDetail bounds what is kept of a parameter, in bytes.
const mostDetail = 256

// audited returns h with an entry in the audit, if the operation is one of acts. g is the gate
// that it acts on; nil: none. The caller's role was checked before.
func (b *builder) audited(id string, g *gate.Gate, h web.Handler) web.Handler {
	a, ok := acts[id]
	if !ok {
		return h
	}
	if a.action == "" {
		a.action = id
	}
	service := ""
	if g != nil {
		service = "/services/" + gate.PathSegment(g.Service().ServiceName)
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodHead { // it acts nowhere
			return h(w, r)
		}
		one := audit.Act{Who: b.caller(r), Action: a.action, Object: service + filled(a.object, r), Detail: a.detail(r)}
		return b.app.Audit().Do(r.Context(), a.when, one, func(ctx context.Context) error { return h(w, r.WithContext(ctx)) })
	}
}

// caller returns the name under which an act is kept: the authenticated caller's, or local on
// the operator's own machine, where no callers are asked who they are.
func (b *builder) caller(r *http.Request) string {
	switch who := auth.Caller(r.Context()); {
	case who != "":
		return who
	case b.app.Platform().Proxied():
		return "unknown" // IAM knows, and its own audit log says
	}
	return "local"
}

// filled replaces each {name} of a path by the request's value of that name.
func filled(path string, r *http.Request) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if name, ok := strings.CutPrefix(p, "{"); ok {
			value := r.PathValue(strings.TrimSuffix(name, "}"))
			parts[i] = url.PathEscape(value[:min(len(value), mostDetail)])
		}
	}
	return strings.Join(parts, "/")
}

// detail returns the parameters that are kept.
func (a act) detail(r *http.Request) map[string]string {
	q := r.URL.Query()
	out := make(map[string]string)
	for _, name := range a.query {
		value := q.Get(name)
		if value == "" {
			continue
		}
		if name == "key" { // what is named key may be taken for a credential
			name = "correlationKey"
		}
		out[name] = strings.ToValidUTF8(value[:min(len(value), mostDetail)], "")
	}
	return out
}
