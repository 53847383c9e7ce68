package gate

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/gate/window"
)

// Words says in plain English which events a window of the service has, when it is complete
// and what happens if it never is. It returns "" for a service that uses none of the rules of
// keys, windows and conditions: the fields of EventSync say it all.
func Words(svc config.Service) string {
	r, err := compile(svc)
	if err != nil || !r.byKey { // a configuration that was validated compiles
		return ""
	}
	t := svc.Trigger
	var b strings.Builder
	switch r.shape.Kind {
	case window.Anchored:
		b.WriteString("anchored for " + short(t.Period()))
	case window.Session:
		fmt.Fprintf(&b, "a session until %s pass without an event, at most %s", short(t.Period()), short(t.LongestSession()))
	case window.Tumbling:
		every := t.EveryText()
		if strings.Trim(every, "0123456789") == "" {
			every += " seconds"
		}
		b.WriteString("every " + every)
		if t.At != "" {
			b.WriteString(" at " + t.At)
		}
		if t.TimeZone != "" {
			b.WriteString(" " + t.TimeZone)
		}
		if t.EventTime != "" {
			b.WriteString(", by the time " + t.EventTime)
		}
	default:
		b.WriteString("sliding over " + short(t.Period()))
	}
	if svc.Correlation != nil {
		b.WriteString(", by " + svc.Correlation.Key)
	}
	b.WriteString("; complete with " + r.condition.Words())
	if r.shape.Kind == window.Sliding || t.Type == "none" {
		return b.String()
	}
	if r.shape.AtClose {
		b.WriteString(", sent when it closes")
	}
	onClose := t.OnClose
	switch onClose {
	case "":
		onClose = "drop"
	case "deadLetter":
		onClose = "dead letter"
	}
	return b.String() + "; else " + onClose
}

// EndpointWords says in plain English what an endpoint takes, needs and sends.
func EndpointWords(e config.Endpoint) string {
	methods := "any method but HEAD and OPTIONS"
	if len(e.AcceptedHTTPMethods) > 0 {
		methods = strings.Join(e.AcceptedHTTPMethods, ", ")
	}
	needs := fmt.Sprintf("needs %d", e.MinNbOfOccurrence)
	if e.Optional {
		needs = "optional"
	}
	if e.MaxNbOfOccurrence > 0 {
		needs += fmt.Sprintf(", takes %d", e.MaxNbOfOccurrence)
	}
	sends := map[string]string{"FIRST": "the first", "LAST": "the last", "BOUNDARIES": "the first and the last"}[e.EventToSend]
	return fmt.Sprintf("%q: %s; %s; sends %s", e.EventKey, methods, needs, cmp.Or(sends, "all"))
}

// KeepWords says what becomes of events that a message has.
func KeepWords(t config.Trigger) string {
	if t.KeepEventAfterTrigger {
		return "events count again after a message"
	}
	return "events count for one message"
}

// short writes a duration without units that are 0.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
