package config

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/gate/calendar"
	"github.com/headgate/headgate/internal/gate/condition"
	"github.com/headgate/headgate/internal/gate/expression"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/schedule"
)

// gate applies the rules of a service's windows, conditions and expressions. It compiles
// everything that the gate will compile, so that a valid configuration always starts.
func (v *validator) gate(path string, s *Service) {
	v.trigger(path+".trigger", s)
	v.condition(path, s)
	for i := range s.Endpoints {
		v.endpoint(decode.Index(path+".endpoints", i), s, &s.Endpoints[i])
	}
	if c := s.Correlation; c != nil {
		v.expression(path+".correlation.key", c.Key, expression.Text)
		v.deadLetter(path+".correlation.onMissing", s, c.OnMissing)
	}
	var feeds []string
	for i := range s.Feeds {
		at := decode.Index(path+".feeds", i)
		v.feed(at, s, &s.Feeds[i])
		v.unique("feeds", "name", feeds, s.Feeds[i].Name, at+".name")
		feeds = append(feeds, s.Feeds[i].Name)
	}
	for i, c := range s.Reset {
		v.cron(decode.Index(path+".reset", i), c)
	}
	v.alerts(path, s)
}

// trigger checks which fields go with the kind of window.
func (v *validator) trigger(path string, s *Service) {
	t := &s.Trigger
	kind := t.Window
	if kind == "" {
		kind = "sliding"
	}
	only := func(field string, given bool, kinds string) {
		if given && !strings.Contains(kinds, kind) {
			v.Add(path+"."+field, "goes with window %s only, and this one is %s", kinds, kind)
		}
	}
	if kind != "tumbling" && t.ObservationPeriod == 0 {
		v.Add(path+".observationPeriod", "is required: from 1 to 31622400 seconds (366 days)")
	}
	only("observationPeriod", t.ObservationPeriod != 0, "sliding, anchored or session")
	only("every", t.Every != nil, "tumbling")
	only("at", t.At != "", "tumbling")
	only("timeZone", t.TimeZone != "", "tumbling")
	only("grace", t.Grace != 0, "tumbling")
	only("eventTime", t.EventTime != "", "tumbling")
	only("late", t.Late != "", "tumbling")
	only("maxPeriod", t.MaxPeriod != 0, "session")
	only("release", t.Release != "", "anchored, tumbling or session")
	only("onClose", t.OnClose != "", "anchored, tumbling or session")
	if kind == "tumbling" && t.Late != "" && t.EventTime == "" {
		v.Add(path+".late", "is about an event whose own time is in a closed window, and there is no eventTime: by its receipt no event is late")
	}
	if t.MaxPeriod > 0 && t.MaxPeriod < t.ObservationPeriod {
		v.Add(path+".maxPeriod", "is shorter than observationPeriod")
	}
	if kind != "sliding" && t.Type == "none" {
		v.Add(path+".window", "closes by itself, and type none never releases a window by itself: use type window")
	}
	if kind != "sliding" && t.KeepEventAfterTrigger {
		v.Add(path+".keepEventAfterTrigger", "goes with window sliding only: another window ends with its message")
	}
	v.deadLetter(path+".onClose", s, t.OnClose)
	v.deadLetter(path+".late", s, t.Late)
	v.expression(path+".eventTime", t.EventTime, expression.Time)
	if kind == "tumbling" {
		v.every(path, t)
	}
}

// every checks the interval of a tumbling window.
func (v *validator) every(path string, t *Trigger) {
	if t.Every == nil {
		v.Add(path+".every", "is required for window tumbling: hour, day, week, month, or a number of seconds")
		return
	}
	_, err := calendar.Parse(t.EveryText(), t.At, t.TimeZone)
	if faults, ok := errors.AsType[calendar.Errors](err); ok {
		for _, f := range faults {
			v.Add(path+"."+f.Field, "%s", f.Message)
		}
	}
}

func (v *validator) condition(path string, s *Service) {
	names := make([]string, len(s.Endpoints))
	var required []int
	for i, e := range s.Endpoints {
		if names[i] = e.EventKey; !e.Optional {
			required = append(required, i)
		}
	}
	if s.Trigger.Condition == "" {
		if len(required) == 0 && len(s.Endpoints) > 0 {
			v.Add(path+".endpoints", "are all optional, so every window is complete: make one required, or write trigger.condition")
		}
		return
	}
	at := path + ".trigger.condition"
	c, err := condition.Parse(s.Trigger.Condition, names)
	switch {
	case err != nil:
		v.Add(at, "%s", err)
		return
	case c.Always():
		v.Add(at, "always holds")
	case c.Never():
		v.Add(at, "can never hold")
	}
	for i, e := range s.Endpoints {
		if !e.Optional && !c.Uses(i) {
			v.Add(at, "does not name endpoint %q: name it, or make it optional", decode.Short(e.EventKey))
		}
	}
}

func (v *validator) endpoint(path string, s *Service, e *Endpoint) {
	v.source(path+".source", e.Source, e.AcceptedHTTPMethods)
	v.expression(path+".filter", e.Filter, expression.Bool)
	v.expression(path+".distinct", e.Distinct, expression.Text)
	v.expression(path+".id", e.ID, expression.Text)
	v.expression(path+".key", e.Key, expression.Text)
	if e.Distinct != "" && constant(e.Distinct) && e.MinNbOfOccurrence > 1 {
		v.Add(path+".distinct", "is the same for every event, so one of them counts, and minNbOfOccurrence is %d: no window would be complete", e.MinNbOfOccurrence)
	}
	if e.Filter != "" && constant(e.Filter) {
		if filter, err := expression.Compile(e.Filter, expression.Bool); err == nil {
			if counts, err := filter.Bool(&expression.Event{}); err == nil && !counts {
				v.Add(path+".filter", "is always false, so no event of this endpoint would count")
			}
		}
	}
	if e.Key != "" && s.Correlation == nil {
		v.Add(path+".key", "takes the place of correlation.key, and there is no correlation")
	}
	if e.Keep != "" && e.Distinct == "" {
		v.Add(path+".keep", "says which of the events with the same distinct value counts, and there is no distinct")
	}
	v.deadLetter(path+".onError", s, e.OnError)
	if e.OnError != "" && !e.fails(&s.Trigger) {
		v.Add(path+".onError", "says what happens where filter, id, distinct or trigger.eventTime fails, and there is none of them")
	}
	if e.MaxNbOfOccurrence > 0 && e.MaxNbOfOccurrence < e.MinNbOfOccurrence {
		v.Add(path+".maxNbOfOccurrence", "is less than minNbOfOccurrence: no window would be complete")
	}
	if s.Trigger.KeepEventAfterTrigger && (e.Distinct != "" || e.MaxNbOfOccurrence > 0) {
		v.Add(path, "has distinct or maxNbOfOccurrence, which need windows that end with their message: take keepEventAfterTrigger away")
	}
}

var ofEvent = regexp.MustCompile(`\bevent\b`)

// constant reports whether an expression cannot depend on the event.
func constant(text string) bool { return !ofEvent.MatchString(text) }

func (v *validator) expression(path, text string, k expression.Kind) {
	if text == "" {
		return
	}
	if _, err := expression.Compile(text, k); err != nil {
		v.Add(path, "%s", err)
	}
}

func (v *validator) cron(path string, c Cron) {
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil || c.TimeZone == "Local" {
		v.Add(path+".timeZone", "%q is not the name of a time zone, such as Europe/Berlin", decode.Short(c.TimeZone))
		zone = time.UTC
	}
	if _, err := schedule.Parse(c.Cron, zone); err != nil {
		v.Add(path+".cron", "%s", err)
	}
}
