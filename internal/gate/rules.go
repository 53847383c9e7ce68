package gate

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/gate/calendar"
	"github.com/headgate/headgate/internal/gate/condition"
	"github.com/headgate/headgate/internal/gate/expression"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/schedule"
)

// rules are a service's rules, compiled. A configuration that was validated always
// compiles.
type rules struct {
	endpoints []endpointRules
	shape     window.Shape
	condition *condition.Condition
	// byKey says that events wait in sets of keys: the service uses a rule that the plain
	// sets do not know.
	byKey     bool
	interval  time.Duration // that no tumbling window exceeds
	eventTime *expression.Expression
	late      string
	onMissing string
	onClose   string
	feeds     map[string]*feedRules // by name
	// letters says that single events can go to the dead letters.
	letters bool
	expect  window.Instants // nil: nothing is expected
}

// endpointRules are the expressions of an endpoint; nil: it has none.
type endpointRules struct {
	filter, key, distinct, id *expression.Expression
	keepFirst                 bool
	toLetters                 bool // an event for which one of them fails goes to the dead letters
}

// compile compiles the rules of a service.
func compile(svc config.Service) (r *rules, err error) {
	t := svc.Trigger
	r = &rules{late: t.Late, onClose: t.OnClose}
	expr := func(text string, k expression.Kind) *expression.Expression {
		if text == "" || err != nil {
			return nil
		}
		var e *expression.Expression
		if e, err = expression.Compile(text, k); err != nil {
			err = fmt.Errorf("%s: %w", text, err)
		}
		return e
	}
	r.eventTime = expr(t.EventTime, expression.Time)
	var names []string
	var required []int
	shared := ""
	if svc.Correlation != nil {
		shared, r.onMissing = svc.Correlation.Key, svc.Correlation.OnMissing
	}
	for i, e := range svc.Endpoints {
		key := shared
		if e.Key != "" {
			key = e.Key
		}
		r.endpoints = append(r.endpoints, endpointRules{
			filter: expr(e.Filter, expression.Bool), key: expr(key, expression.Text), id: expr(e.ID, expression.Text),
			distinct: expr(e.Distinct, expression.Text), keepFirst: e.Keep == "first", toLetters: e.OnError == deadLetter,
		})
		r.letters = r.letters || e.OnError == deadLetter
		r.shape.Rules = append(r.shape.Rules, window.Rule{Key: e.EventKey, Need: e.MinNbOfOccurrence, Max: e.MaxNbOfOccurrence, Send: e.EventToSend})
		if names = append(names, e.EventKey); !e.Optional {
			required = append(required, i)
		}
	}
	r.letters = r.letters || r.late == deadLetter || r.onMissing == deadLetter
	r.compileFeeds(svc, names, expr)
	if err != nil {
		return nil, err
	}
	r.condition = condition.All(required, names)
	if t.Condition != "" {
		if r.condition, err = condition.Parse(t.Condition, names); err != nil {
			return nil, err
		}
	}
	r.shape.Complete = r.condition
	r.shape.Kind, r.shape.AtClose = window.Sliding, t.Release == "close"
	r.shape.Kept = t.KeepEventAfterTrigger
	if t.Window != "" {
		r.shape.Kind = window.Kind(t.Window)
	}
	r.byKey = svc.KeepsSets()
	r.shape.Period, r.shape.Grace = t.Period(), time.Duration(t.Grace)*time.Second
	if r.shape.Kind == window.Session {
		r.shape.MaxPeriod = t.LongestSession()
	}
	if r.shape.Kind == window.Tumbling {
		every, err := calendar.Parse(t.EveryText(), t.At, t.TimeZone)
		if err != nil {
			return nil, err
		}
		r.shape.Interval, r.interval = every.Interval, t.LongestInterval()
	}
	if r.shape.Resets, err = instants(svc.Reset); err != nil {
		return nil, err
	}
	r.expect, err = instants(svc.Expect)
	return r, err
}

// apply reports whether there is a rule for the endpoint's events.
func (r *rules) apply(endpoint int) bool {
	e := r.endpoints[endpoint]
	return r.byKey || e.filter != nil || e.id != nil
}

// Evaluates reports whether expressions look at the events of an endpoint. The caller then
// reserves the memory for their bodies as values.
func (g *Gate) Evaluates(eventKey string) bool {
	i, ok := g.byKey[eventKey]
	if !ok {
		return false
	}
	e := g.rules.endpoints[i]
	return e.filter != nil || e.key != nil || e.distinct != nil || e.id != nil || g.rules.eventTime != nil
}

// longest returns the longest time for which an event can wait for its window.
func (r *rules) longest() time.Duration {
	switch r.shape.Kind {
	case window.Session:
		return max(r.shape.Period, r.shape.MaxPeriod)
	case window.Tumbling:
		if r.eventTime != nil {
			return r.mostAhead() + r.interval + r.shape.Grace
		}
		return r.interval + r.shape.Grace
	}
	return r.shape.Period
}

// mostAhead bounds how far ahead an event's own time may be. Such an event waits until
// then, and every event of the service is kept for as long as one may wait.
func (r *rules) mostAhead() time.Duration { return r.interval + 24*time.Hour }

// crons is several schedules as one.
type crons []*schedule.Schedule

// instants returns nil if there are no schedules.
func instants(list []config.Cron) (window.Instants, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var all crons
	for _, c := range list {
		zone, err := time.LoadLocation(c.TimeZone)
		if err != nil {
			return nil, err
		}
		s, err := schedule.Parse(c.Cron, zone)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Next implements [window.Instants].
func (all crons) Next(t time.Time) (next time.Time) {
	for _, s := range all {
		if at := s.Next(t).UTC(); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// Latest implements [window.Instants].
func (all crons) Latest(t time.Time) (latest time.Time) {
	for _, s := range all {
		if at := s.Latest(t).UTC(); at.After(latest) {
			latest = at
		}
	}
	return latest
}
