package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/gate/target/template"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Target is one receiver of a service's messages: a topic, a URL or a sync.
type Target struct {
	// The target's name in answers, and in replay?target=. Names are unique; pubsub is that of targetPubSub.
	Name string `json:"name" decode:"required" format:"name"`
	// A Pub/Sub topic.
	PubSub *TargetPubSub `json:"pubsub,omitempty"`
	// An HTTP endpoint.
	HTTP *TargetHTTP `json:"http,omitempty"`
	// A sync of this deployment, which is run once per eventID.
	Sync *TargetSync `json:"sync,omitempty"`
}

// TargetHTTP is an HTTP endpoint that gets messages.
type TargetHTTP struct {
	// Called with POST. An internal address must be listed in echo.allowTargets.
	URL string `json:"url" decode:"required" format:"httpURL"`
	// true, or {"audience": "…"}: a request has an ID token of Google's for this process's account. Omitted audience: the URL without its query.
	OIDC any `json:"oidc,omitempty"`
	// true, or {"scopes": ["…"]}: a request has an access token of Google's, for a host of googleapis.com. Omitted scopes: cloud-platform.
	OAuth any `json:"oauth,omitempty"`
	// Signs each request by the rules of Standard Webhooks: env:NAME, sm://projects/P/secrets/S, or whsec_ and base64.
	Secret string `json:"secret,omitempty" decode:"secret"`
	// The secret before the latest change. Requests have its signature as well, until it is removed.
	FormerSecret string `json:"formerSecret,omitempty" decode:"secret"`
	// The JSON that the endpoint expects, with {message}, {cloudEvent}, {messageBase64}, {cloudEventBase64}, {eventID}, {claimID}, {serviceName}, {triggerType}, {correlationKey} or {completion} in its texts. Omitted: the message, as a CloudEvent.
	Body any `json:"body,omitempty"`
}

// TargetSync is a sync that messages start.
type TargetSync struct {
	// The sync's id.
	ID string `json:"id" decode:"required" format:"id"`
}

// Names of the targets that are configured by their short form. A target of the list
// "targets" cannot have a colon in its name.
const (
	pubSubTarget     = "pubsub"
	syncTargetPrefix = "sync:"
)

// AllTargets returns the service's targets, also those in their short forms.
func (s Service) AllTargets() []Target {
	var all []Target
	if s.TargetPubSub.Topic != "" {
		all = append(all, Target{Name: pubSubTarget, PubSub: &s.TargetPubSub})
	}
	all = append(all, s.Targets...)
	if s.OnMessage != nil {
		all = append(all, Target{Name: syncTargetPrefix + s.OnMessage.Sync, Sync: &TargetSync{ID: s.OnMessage.Sync}})
	}
	return all
}

// Where returns what the target is, without credentials: a topic, a URL's host, or a sync.
func (t Target) Where() string {
	switch {
	case t.PubSub != nil:
		return t.PubSub.Topic
	case t.HTTP != nil:
		if u, err := url.Parse(t.HTTP.URL); err == nil {
			return u.Host
		}
		return ""
	case t.Sync != nil:
		return "sync " + t.Sync.ID
	}
	return ""
}

// Where returns what the service's targets are, on one line.
func (s Service) Where() string {
	var all []string
	for _, t := range s.AllTargets() {
		all = append(all, t.Where())
	}
	return strings.Join(all, ", ")
}

// OnMessage reports whether the target is the short form onMessage.sync.
func (t Target) OnMessage() bool { return strings.HasPrefix(t.Name, syncTargetPrefix) }

// SyncsStarted returns the ids of the syncs that the service's messages start.
func (s Service) SyncsStarted() (ids []string) {
	for _, t := range s.AllTargets() {
		if t.Sync != nil && !slices.Contains(ids, t.Sync.ID) {
			ids = append(ids, t.Sync.ID)
		}
	}
	return ids
}

// Audience returns the audience of the ID token with which the endpoint is called, or "".
func (h *TargetHTTP) Audience() string {
	switch o := h.OIDC.(type) {
	case bool:
		if u, err := url.Parse(h.URL); o && err == nil {
			u.RawQuery, u.ForceQuery = "", false
			return u.String()
		}
	case map[string]any:
		audience, _ := o["audience"].(string)
		return audience
	}
	return ""
}

// cloudPlatform is the scope of an access token for all of Google Cloud.
const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// Scopes returns those of the access token with which the endpoint is called, or nil.
func (h *TargetHTTP) Scopes() []string {
	switch o := h.OAuth.(type) {
	case bool:
		if o {
			return []string{cloudPlatform}
		}
	case map[string]any:
		scopes, _ := texts(o["scopes"])
		return scopes
	}
	return nil
}

// texts returns the items of a list of texts that are not empty.
func texts(v any) (list []string, ok bool) {
	items, ok := v.([]any)
	for _, item := range items {
		s, isText := item.(string)
		if !isText || s == "" {
			return nil, false
		}
		list = append(list, s)
	}
	return list, ok && len(list) > 0
}

// targets checks where messages go.
func (v *validator) targets(path string, s *Service) {
	topic := path + ".targetPubSub"
	given := slices.ContainsFunc(v.Details(), func(d fault.Detail) bool { return strings.HasPrefix(d.Path, topic) })
	if s.TargetPubSub.Topic == "" && len(s.Targets) == 0 && !given {
		v.Add(topic, "is required")
	}
	var names []string
	for i := range s.Targets {
		t, at := &s.Targets[i], decode.Index(path+".targets", i)
		v.unique("targets", "name", names, t.Name, at+".name")
		names = append(names, t.Name)
		if t.Name == pubSubTarget && s.TargetPubSub.Topic != "" {
			v.Add(at+".name", "%q is the name of targetPubSub", pubSubTarget)
		}
		n := 0
		for _, given := range []bool{t.PubSub != nil, t.HTTP != nil, t.Sync != nil} {
			if given {
				n++
			}
		}
		if n != 1 {
			v.Add(at, "must have one of pubsub, http and sync")
		}
		if t.HTTP != nil {
			v.httpTarget(at+".http", t.HTTP)
		}
	}
}

// httpTarget checks an endpoint. A token or a signature in the hands of another host would
// let that host call in our name, so tokens go over https, and access tokens to Google only.
func (v *validator) httpTarget(path string, h *TargetHTTP) {
	u, err := url.Parse(h.URL)
	if err != nil {
		return // the format says so
	}
	loopback := isLoopback(u.Hostname())
	switch {
	case u.User != nil || u.Fragment != "" || len(h.URL) > 2000:
		v.Add(path+".url", "must have no credentials and no fragment, and at most 2000 bytes")
	case u.Scheme == "http" && !loopback:
		v.Add(path+".url", "must use https")
	}
	v.oidcOf(path+".oidc", h.OIDC)
	v.oauthOf(path+".oauth", h.OAuth)
	host := strings.ToLower(u.Hostname())
	if len(h.Scopes()) > 0 && !loopback && host != "googleapis.com" && !strings.HasSuffix(host, ".googleapis.com") {
		v.Add(path+".oauth", "would give %s a token for Google's APIs: it is for hosts of googleapis.com; use oidc", decode.Short(u.Host))
	}
	n := 0
	for _, given := range []bool{h.Audience() != "", len(h.Scopes()) > 0, h.Secret != ""} {
		if given {
			n++
		}
	}
	if n > 1 {
		v.Add(path, "may have one of oidc, oauth and secret")
	}
	v.rotated(path, h.Secret, h.FormerSecret, func(s string) string {
		if s != "" && (!strings.HasPrefix(s, "whsec_") || signature.CheckSecret(s) != nil) {
			return "is not a secret of Standard Webhooks: whsec_ and base64 of at least 16 bytes"
		}
		return ""
	})
	if wrong := template.Check(h.Body); wrong != "" {
		v.Add(path+".body", "%s", wrong)
	}
}

// oidcOf checks true, false or {"audience": "…"}.
func (v *validator) oidcOf(path string, given any) {
	object, ok := v.choice(path, given, "audience")
	if !ok {
		return
	}
	if audience, _ := object["audience"].(string); object != nil && audience == "" {
		v.Add(path+".audience", "must be a text that is not empty")
	}
}

// oauthOf checks true, false or {"scopes": ["…"]}.
func (v *validator) oauthOf(path string, given any) {
	object, ok := v.choice(path, given, "scopes")
	if !ok {
		return
	}
	if _, isList := texts(object["scopes"]); object != nil && !isList {
		v.Add(path+".scopes", "must be a list of one or more texts that are not empty")
	}
}

// choice reads a boolean, or an object with no field but the one named. The object is nil
// for a boolean. ok is false if there was a fault.
func (v *validator) choice(path string, given any, field string) (object map[string]any, ok bool) {
	switch given := given.(type) {
	case nil, bool:
		return nil, true
	case map[string]any:
		ok = true
		for name := range given {
			if name != field {
				v.Add(decode.Member(path, name), "unknown field; the field is %s", field)
				ok = false
			}
		}
		return given, ok
	}
	v.Add(path, `must be true, false or an object with %q`, field)
	return nil, false
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// shown returns a copy of the service without credentials.
func (s Service) shown() Service {
	s.Targets = slices.Clone(s.Targets)
	for i, t := range s.Targets {
		if t.HTTP == nil {
			continue
		}
		h := t.HTTP.shown()
		s.Targets[i].HTTP = &h
	}
	s.Alerts = s.Alerts.shown()
	return s
}
