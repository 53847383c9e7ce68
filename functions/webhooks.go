package functions

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// registration is the body of a registration.
type registration struct {
	URL      string   `json:"url" description:"Where the webhooks are sent."`
	List     string   `json:"externalTaskListId,omitempty" minLength:"1" description:"The list whose changes are sent. Default: task-list-1."`
	Format   string   `json:"format,omitempty" enum:"json,cloudevents" default:"json" description:"How the body is written. With types: cloudevents."`
	Types    []string `json:"types,omitempty" minItems:"1" description:"CloudEvents types that are sent, instead of a list: dev.headgate.sync.v1, dev.headgate.sync.partial.v1 and dev.headgate.sync.manual.v1 (messages of a gate), dev.headgate.alert.v1, dev.headgate.run.failed.v1, dev.headgate.run.partial.v1, dev.headgate.records.changed.v1, io.headgate.list.changed."`
	Subjects []string `json:"subjects,omitempty" minItems:"1" description:"With types: only these services, syncs, entity types or lists."`
	Filter   string   `json:"filter,omitempty" minLength:"1" description:"CEL over data, externalTaskListId and version, or with types over data, type, source and subject: only what it gives true for is sent."`
	Secret   string   `json:"secret,omitempty" minLength:"1" description:"What the webhooks are signed with: whsec_ and base64 of 16 bytes or more. Left out, Headgate makes one."`
}

// unregistration is the body that ends a registration.
type unregistration struct {
	URL   string   `json:"url,omitempty" description:"Where the webhooks are sent."`
	List  string   `json:"externalTaskListId,omitempty" minLength:"1" description:"The list whose registration is ended. Without it and types: that for task-list-1 and that for types."`
	Types []string `json:"types,omitempty" minItems:"1" description:"Any types: only the registration of the URL for types is ended."`
	ID    string   `json:"id,omitempty" description:"Instead of the others: the registration's id."`
}

// rotation is the body of a rotation of a secret.
type rotation struct {
	Secret string `json:"secret,omitempty" minLength:"1" description:"The new secret: whsec_ and base64 of 16 bytes or more. Left out, Headgate makes one. With it, the request can be repeated."`
}

type unregisteredJSON struct {
	Message string `json:"message"`
}

type webhooksJSON struct {
	Webhooks []*outgoing.Target `json:"webhooks"`
}

type deliveriesJSON struct {
	Deliveries []*outgoing.Delivery `json:"deliveries"`
	Waiting    int64                `json:"waiting" description:"How many deliveries wait, listed or not."`
	Dropped    int64                `json:"dropped" description:"How many were dropped, because too many waited or for too long."`
}

type deliveredJSON struct {
	Delivered int `json:"delivered" description:"How many deliveries were made."`
}

// ofFluid are fields that Fluid's services have beside those of a registration. They are
// ignored. Any other unknown field is refused: it may be a misspelt one, without which the
// registration would be for something else.
var ofFluid = []string{"tenantId", "documentId", "containerUrl"}

// registrationOf reads a registration. It names a field that is not known, or whose value is
// not text. q may name the list, and with GET, which has no body, url and format, but not the
// secret, because URLs are logged. id takes the field of that name, instead of which url may be
// missing; nil: there is none.
func registrationOf(w http.ResponseWriter, r *http.Request, q url.Values, id *string) (out outgoing.Registration, err error) {
	fields := map[string]*string{"url": &out.URL, "externalTaskListId": &out.List, "format": &out.Format}
	if r.Method != http.MethodGet {
		fields["secret"], fields["filter"] = &out.Secret, &out.Filter
		if id != nil {
			fields["id"] = id
		}
		lists := map[string]*[]string{"types": &out.Types, "subjects": &out.Subjects}
		in, err := registrationIn(w, r)
		if err == nil {
			err = refuseUnknown(in, slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(lists)))
		}
		if err == nil {
			err = textsIn(in, fields)
		}
		if err == nil {
			err = namesIn(in, lists)
		}
		if err != nil {
			return out, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch to, value := fields[name], q.Get(name); {
		case r.Method != http.MethodGet && name != "externalTaskListId":
			return out, fault.New(fault.Invalid, "%s belongs in the body of a %s", name, r.Method)
		case value == "":
			return out, fault.New(fault.Invalid, "%s must not be empty", name)
		case *to != "" && *to != value:
			return out, fault.New(fault.Invalid, "%s of the query differs from that of the body", name)
		default:
			*to = value
		}
	}
	if out.URL == "" && (id == nil || *id == "") {
		return out, fault.New(fault.Invalid, "url is required")
	}
	return out, nil
}

// registrationIn reads the body of a registration.
func registrationIn(w http.ResponseWriter, r *http.Request) (in map[string]any, err error) {
	body, err := readBody(w, r, 64<<10, "the limit of a registration")
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&in); err != nil || in == nil {
		return nil, fault.New(fault.Invalid, "the body must be a JSON object with url")
	}
	return in, nil
}

// refuseUnknown returns an error that names an unknown field, and the one that may be meant.
func refuseUnknown(in map[string]any, known ...[]string) error {
	fields := slices.Concat(known...)
	for _, name := range slices.Sorted(maps.Keys(in)) {
		switch near := decode.Nearest(name, fields); {
		case slices.Contains(fields, name), slices.Contains(ofFluid, name):
		case near != "":
			return fault.New(fault.Invalid, "%s: unknown field; did you mean %q?", decode.Member("", name), near)
		default:
			return fault.New(fault.Invalid, "%s: unknown field; the fields are %s", decode.Member("", name), strings.Join(fields, ", "))
		}
	}
	return nil
}

// textsIn reads fields that are text.
func textsIn(in map[string]any, fields map[string]*string) error {
	for name, to := range fields {
		v, there := in[name]
		if !there {
			continue
		}
		text, ok := v.(string)
		if !ok || text == "" {
			return fault.New(fault.Invalid, "%s must be text, and not empty", name)
		}
		*to = text
	}
	return nil
}

// namesIn reads fields that are lists of text.
func namesIn(in map[string]any, fields map[string]*[]string) error {
	for name, to := range fields {
		v, there := in[name]
		if !there {
			continue
		}
		items, ok := v.([]any)
		if !ok || len(items) == 0 {
			return fault.New(fault.Invalid, "%s must be a list of text, and not empty", name)
		}
		for i, item := range items {
			text, ok := item.(string)
			if !ok || text == "" {
				return fault.New(fault.Invalid, "%s[%d] must be text, and not empty", name, i)
			}
			*to = append(*to, text)
		}
	}
	return nil
}

// registerWebhook adds a URL that is called when a list changes, or something else happens.
func registerWebhook(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := refuseHead(r, "GET POST"); err != nil {
			return err
		}
		q, err := query(r, "externalTaskListId", "url", "format")
		if err != nil {
			return err
		}
		in, err := registrationOf(w, r, q, nil)
		if err != nil {
			return err
		}
		audit.Note(r.Context(), "host", hostOf(in.URL))
		t, _, err := a.Outgoing().Register(r.Context(), in)
		if err != nil {
			return err
		}
		audit.Object(r.Context(), "/webhooks/"+t.ID)
		return web.JSON(w, http.StatusOK, t)
	}
}

// unregisterWebhook stops deliveries to a URL.
func unregisterWebhook(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "externalTaskListId")
		if err != nil {
			return err
		}
		var id string
		in, err := registrationOf(w, r, q, &id)
		if err != nil {
			return err
		}
		audit.Note(r.Context(), "host", hostOf(in.URL))
		var was bool
		if id != "" {
			audit.Object(r.Context(), "/webhooks/"+url.PathEscape(id))
			was, err = a.Outgoing().UnregisterID(r.Context(), id)
		} else {
			was, err = a.Outgoing().Unregister(r.Context(), in)
		}
		if err != nil {
			return err
		}
		out := unregisteredJSON{"the webhook is removed"}
		if !was {
			out.Message = "this webhook was not registered"
		}
		return web.JSON(w, http.StatusOK, out)
	}
}

// hostOf returns the host of a URL, for the audit: the rest may hold a credential.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// listWebhooks lists the registered URLs.
func listWebhooks(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "externalTaskListId")
		if err != nil {
			return err
		}
		list, err := a.Outgoing().Targets(r.Context(), q.Get("externalTaskListId"))
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, webhooksJSON{list})
	}
}

// listDeliveries lists what was sent to a URL, newest first.
func listDeliveries(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "limit")
		if err != nil {
			return err
		}
		limit, err := limitOf(q.Get("limit"), 50)
		if err != nil {
			return err
		}
		t, list, err := a.Outgoing().Deliveries(r.Context(), r.PathValue("id"), limit)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, deliveriesJSON{list, t.Waiting(), t.Dropped})
	}
}

// retryDelivery tries a delivery now. A delivery that was made is made again.
func retryDelivery(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
		if err != nil || n < 1 {
			return fault.New(fault.Invalid, "the delivery's number must be an integer from 1")
		}
		if err := a.Outgoing().Retry(r.Context(), r.PathValue("id"), n); err != nil {
			return err
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
}

// tryWebhook makes a test delivery.
func tryWebhook(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		out, err := a.Outgoing().Try(r.Context(), r.PathValue("id"))
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, out)
	}
}

// rotateSecret gives a webhook a new secret.
func rotateSecret(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in rotation
		if r.ContentLength != 0 {
			if err := readJSON(w, r, &in); err != nil {
				return err
			}
		}
		t, err := a.Outgoing().Rotate(r.Context(), r.PathValue("id"), in.Secret)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, t)
	}
}

// sweepWebhooks makes the deliveries that are due.
func sweepWebhooks(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		n, err := a.Outgoing().Sweep(r.Context())
		if err != nil {
			return err
		}
		a.Beat(r.Context(), doctor.WebhooksBeat)
		return web.JSON(w, http.StatusOK, deliveredJSON{n})
	}
}
