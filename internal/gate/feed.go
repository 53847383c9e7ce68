package gate

import (
	"errors"
	"slices"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/gate/expression"
)

// feedRules lead the events of a feed to endpoints.
type feedRules struct {
	name      string
	routes    []routeRules
	otherwise int    // the endpoint of events that no route takes; noEndpoint: the policy decides
	policy    string // reject, drop or deadLetter
}

type routeRules struct {
	when     *expression.Expression
	endpoint int
	unwraps  bool // the endpoint keeps the data of a Pub/Sub push, and the route reads it
}

// compileFeeds compiles the feeds of a service. names are those of its endpoints.
func (r *rules) compileFeeds(svc config.Service, names []string, expr func(string, expression.Kind) *expression.Expression) {
	r.feeds = make(map[string]*feedRules, len(svc.Feeds))
	for _, f := range svc.Feeds {
		rules := &feedRules{name: f.Name, otherwise: slices.Index(names, f.Otherwise), policy: f.Otherwise}
		switch f.Otherwise {
		case "", "reject", "drop", deadLetter: // the policies, even if an endpoint has such a name
			rules.otherwise = noEndpoint
		}
		r.letters = r.letters || f.Otherwise == deadLetter
		for _, route := range f.Routes {
			i := slices.Index(names, route.EventKey)
			if i < 0 {
				continue // the configuration was not validated
			}
			rules.routes = append(rules.routes, routeRules{expr(route.When, expression.Bool), i, svc.Endpoints[i].Unwrap == "pubsub"})
		}
		r.feeds[f.Name] = rules
	}
}

// route returns the endpoint of the first route that takes the event, or noEndpoint and
// the first failure of an expression, if there was one. A route whose expression fails does
// not take the event: what a source of everything sends has not always the same members.
func (f *feedRules) route(in *Incoming, now time.Time) (endpoint int, failed error) {
	whole := seen(in, now)
	whole.EventKey = ""
	unwrapped := whole
	if in.Push != nil {
		unwrapped = &expression.Event{ReceivedAt: now, Meta: in.Meta, Content: in.Push.Data, Attributes: in.Push.Attributes}
	}
	for _, r := range f.routes {
		sees := whole
		if r.unwraps {
			sees = unwrapped
		}
		takes, err := r.when.Bool(sees)
		if failed == nil {
			failed = err
		}
		if err == nil && takes {
			return r.endpoint, nil
		}
	}
	return f.otherwise, failed
}

// path returns what stands for the eventKey of events that no endpoint takes. No eventKey
// begins with a slash.
func (f *feedRules) path() string { return "/feed/" + f.name }

// none returns what becomes of an event that no route takes.
func (f *feedRules) none(failed error) (a admission, err error) {
	switch f.policy {
	case "drop":
		return admission{left: NoRoute}, nil
	case deadLetter:
		return admission{letter: string(NoRoute)}, nil
	}
	if failed == nil {
		failed = errors.New("none of them is true")
	}
	return a, refusal("no route of feed %q takes the event: %s", f.name, failed)
}

// Feed reports whether the service has a feed of that name.
func (g *Gate) Feed(name string) bool { return g.rules.feeds[name] != nil }

// Feeds returns the names of all feeds, in configuration order.
func (g *Gate) Feeds() []string {
	names := make([]string, len(g.svc.Feeds))
	for i, f := range g.svc.Feeds {
		names[i] = f.Name
	}
	return names
}
