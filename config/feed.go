package config

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/gate/expression"
	"github.com/headgate/headgate/internal/platform/decode"
)

// Feed is one address for a source that sends everything to one place, such as a bucket or
// a topic: /feed/{name}.
type Feed struct {
	// The path's last part.
	Name string `json:"name" decode:"required" format:"name"`
	// Where events go. The first route whose expression is true takes the event.
	Routes []Route `json:"routes" decode:"required" least:"1 route"`
	// What calls this feed, made by "headgate deploy". Omitted: it makes nothing that calls.
	Source *Source `json:"source,omitempty"`
	// The policy for an event that no route takes. reject (if omitted): 400. drop: it is acknowledged and not stored. deadLetter: it goes to the topic of deadLetter. Or the eventKey of an endpoint that takes it.
	Otherwise string `json:"otherwise,omitempty"`
}

// Route leads events of a feed to an endpoint.
type Route struct {
	// The CEL expression that says whether the route takes an event. One that fails does not take it.
	When string `json:"when" decode:"required"`
	// One of the service's endpoints.
	EventKey string `json:"eventKey" decode:"required"`
}

// feed checks a feed, whose routes must lead to endpoints of the service.
func (v *validator) feed(path string, s *Service, f *Feed) {
	keys := make([]string, len(s.Endpoints))
	for i, e := range s.Endpoints {
		keys[i] = decode.Short(e.EventKey)
	}
	known := func(key string) bool {
		return slices.ContainsFunc(s.Endpoints, func(e Endpoint) bool { return e.EventKey == key })
	}
	v.source(path+".source", f.Source, nil)
	for i, r := range f.Routes {
		at := decode.Index(path+".routes", i)
		v.expression(at+".when", r.When, expression.Bool)
		if r.EventKey != "" && !known(r.EventKey) {
			v.Add(at+".eventKey", "there is no endpoint %q: the endpoints are %q", decode.Short(r.EventKey), keys)
		}
	}
	switch f.Otherwise {
	case "", "reject", "drop":
	case "deadLetter":
		v.deadLetter(path+".otherwise", s, f.Otherwise)
	default:
		if !known(f.Otherwise) {
			v.Add(path+".otherwise", "must be reject, drop, deadLetter or an eventKey, not %q: the eventKeys are %q", decode.Short(f.Otherwise), keys)
		}
	}
}

// deadLetter requires a topic for the policy deadLetter.
func (v *validator) deadLetter(path string, s *Service, policy string) {
	if policy == "deadLetter" && s.DeadLetter == nil {
		v.Add(path, `"deadLetter" needs deadLetter.topic`)
	}
}

// fails reports whether an expression decides about the endpoint's events, so that one of
// them can fail.
func (e *Endpoint) fails(t *Trigger) bool {
	return strings.Join([]string{e.Filter, e.ID, e.Distinct, t.EventTime}, "") != ""
}
