package config

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Topics returns the topics to which the service publishes.
func (s Service) Topics() (topics []string) {
	for _, t := range s.AllTargets() {
		if t.PubSub != nil {
			topics = append(topics, t.PubSub.Topic)
		}
	}
	if s.DeadLetter != nil {
		topics = append(topics, s.DeadLetter.Topic)
	}
	if s.Alerts != nil && s.Alerts.Topic != "" {
		topics = append(topics, s.Alerts.Topic)
	}
	return topics
}

// LongestSession returns for how long a session lasts at most.
func (t Trigger) LongestSession() time.Duration {
	const week = 7 * 24 * 3600
	if t.MaxPeriod > 0 {
		return time.Duration(t.MaxPeriod) * time.Second
	}
	return time.Duration(max(week, t.ObservationPeriod)) * time.Second
}

// EveryText returns the interval of a tumbling window as text: hour, day, week, month, or
// the digits of a number of seconds. It returns "" if it is neither text nor a number.
func (t Trigger) EveryText() string {
	switch every := t.Every.(type) {
	case string:
		return every
	case json.Number:
		return every.String()
	case float64:
		return strconv.FormatFloat(every, 'f', -1, 64)
	}
	return ""
}

// LongestInterval returns a length that no interval of a tumbling window exceeds. A day can
// be longer than 24 hours where clocks change.
func (t Trigger) LongestInterval() time.Duration {
	const day = 24 * time.Hour
	switch every := t.EveryText(); every {
	case "hour":
		return 2 * time.Hour
	case "day":
		return 2 * day
	case "week":
		return 8 * day
	case "month":
		return 32 * day
	default:
		seconds, _ := strconv.Atoi(every)
		return time.Duration(seconds) * time.Second
	}
}

// KeepsSets reports whether the service's events wait in sets by key and time, because of
// something that one sliding window of all events cannot do.
func (s Service) KeepsSets() bool {
	t := s.Trigger
	return s.Correlation != nil || t.Condition != "" || t.Window != "" && t.Window != "sliding" || len(s.Reset) > 0 ||
		slices.ContainsFunc(s.Endpoints, func(e Endpoint) bool { return e.Optional || e.Distinct != "" || e.MaxNbOfOccurrence > 0 })
}
