package config

import (
	"slices"

	"github.com/headgate/headgate/internal/gate/target/template"
	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
)

// Alerts says where alerts go: about windows that closed incomplete, events that left their
// window without a message, and messages that were expected and did not come.
type Alerts struct {
	// projects/<project>/topics/<name>
	Topic string `json:"topic,omitempty" format:"topic"`
	// HTTP endpoints.
	HTTP []TargetHTTP `json:"http,omitempty" least:"1 endpoint"`
}

// alerts applies the rules of alerts and expectations.
func (v *validator) alerts(path string, s *Service) {
	if len(s.Expect) > 0 && s.Trigger.Type == "none" {
		v.Add(path+".expect", "is about complete messages, and type none publishes none by itself: every instant would send an alert; use type window")
	}
	for i, c := range s.Expect {
		v.cron(decode.Index(path+".expect", i), c)
	}
	if s.Alerts == nil {
		return
	}
	path += ".alerts"
	if s.Alerts.Topic == "" && s.Alerts.HTTP == nil {
		v.Add(path, `must have "topic" or "http"`)
	}
	for i := range s.Alerts.HTTP {
		h, at := &s.Alerts.HTTP[i], decode.Index(path+".http", i)
		v.httpTarget(at, h)
		same := func(o TargetHTTP) bool { return o.URL == h.URL && h.URL != "" }
		if first := slices.IndexFunc(s.Alerts.HTTP[:i], same); first >= 0 { // a URL may have a secret: do not show it
			v.Add(at+".url", "is that of http[%d], too", first)
		}
	}
}

// shown returns a copy of the endpoint without credentials.
func (h TargetHTTP) shown() TargetHTTP {
	h.URL = credential.RedactURL(h.URL)
	h.Secret, h.FormerSecret = redactSecret(h.Secret), redactSecret(h.FormerSecret)
	h.Body = template.Shown(h.Body)
	return h
}

// shown returns a copy of the alerts without credentials; nil of nil.
func (a *Alerts) shown() *Alerts {
	if a == nil {
		return nil
	}
	out := Alerts{Topic: a.Topic, HTTP: slices.Clone(a.HTTP)}
	for i, h := range out.HTTP {
		out.HTTP[i] = h.shown()
	}
	return &out
}
