package config

// Alerts says where alerts go: about windows that closed incomplete, events that left their
// window without a message, and messages that were expected and did not come.
type Alerts struct {
	// projects/<project>/topics/<name>
	Topic string `json:"topic,omitempty" format:"topic"`
}

// alerts applies the rules of alerts and expectations.
func (v *validator) alerts(path string, s *Service) {
	if s.Alerts != nil && s.Alerts.Topic == "" {
		v.Add(path+".alerts", `must have "topic"`)
	}
	if s.Expect != nil && len(s.Expect) == 0 {
		v.Add(path+".expect", "has no schedule: omit it, or name one")
	}
}
