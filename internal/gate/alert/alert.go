// Package alert tells people what a gate did not publish: a window that closed incomplete,
// events that left their window without a message, and a message that was expected and did
// not come.
//
// An alert is created exactly once, in the commit that makes it true or under an id that
// only it can have. It then waits in an outbox until every receiver has it. It is sent at
// least once, always with the same id, so receivers deduplicate on that.
package alert

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/gate/window"
)

// Kind says what happened.
type Kind string

// The kinds of alerts.
const (
	Incomplete Kind = "incomplete" // a window closed before it was complete
	Expired    Kind = "expired"    // events left their window without a message
	Overdue    Kind = "overdue"    // no complete message was published in time
)

// Type is the CloudEvents type of an alert.
const Type = "dev.headgate.alert.v1"

// Alert is one alert. Its JSON is the data of the CloudEvent.
type Alert struct {
	ID             string `json:"id" description:"Consumers deduplicate on it: an alert may be sent more than once."`
	Kind           Kind   `json:"kind" enum:"incomplete,expired,overdue" description:"incomplete: a window closed before it was complete. expired: events left their window without a message. overdue: no complete message was published in time."`
	ServiceName    string `json:"serviceName"`
	CorrelationKey string `json:"correlationKey,omitempty" description:"What the events of the window share."`
	// At is the end of the window, the time of the sweep, or the instant of the expectation.
	At         time.Time          `json:"at" description:"When the window closed, when a sweep found that events had left it, or the instant of the expectation."`
	Completion string             `json:"completion,omitempty" description:"What became of the window: partial, dropped or deadLetter."`
	EventID    string             `json:"eventID,omitempty" description:"The message, or the record of the window. Only of incomplete."`
	Window     *Times             `json:"window,omitempty"`
	Endpoints  []Tally            `json:"endpoints,omitempty" description:"What the endpoints had and needed."`
	Missing    []window.Shortfall `json:"missing,omitempty" description:"The smallest set of events that would have completed the window. Of overdue: the window that closed last since the instant before, or else the open one."`
	// Since is the instant before: nothing complete was published after it.
	Since       *time.Time `json:"since,omitempty" description:"The instant of the expectation before. Only of overdue."`
	Windows     []Lacking  `json:"windows,omitempty" description:"The windows that closed incomplete since the instant before, and the oldest open ones. Only of overdue, for a service with correlation."`
	MoreWindows bool       `json:"moreWindows,omitempty" description:"There are further ones."`
	Shortened   bool       `json:"shortened,omitempty" description:"Details were left out because there are too many."`
}

// Times are the limits of a window.
type Times struct {
	Opened time.Time  `json:"opened"`
	Closes *time.Time `json:"closes,omitempty"`
}

// Tally has the number of events that an endpoint had, and the number that it needed.
type Tally struct {
	EventKey string `json:"eventKey"`
	Have     int    `json:"have"`
	Need     int    `json:"need"`
	Expired  int    `json:"expired,omitempty" description:"Events that left the window without a message."`
	// Oldest is the receipt of the oldest of these.
	Oldest *time.Time `json:"oldest,omitempty" description:"When the oldest of them was received."`
}

// Lacking is a window that lacks events, or lacked them when it closed.
type Lacking struct {
	CorrelationKey string             `json:"correlationKey"`
	Opened         time.Time          `json:"opened"`
	Closes         *time.Time         `json:"closes,omitempty"`
	Completion     string             `json:"completion,omitempty" description:"What became of it, if it closed incomplete while the expectation waited."`
	Missing        []window.Shortfall `json:"missing"`
}

// longest bounds the JSON of an alert, so that it always fits beside a claim in a commit.
const longest = 64 << 10

// Encode returns the alert as JSON, without details if there are too many.
func (a Alert) Encode() ([]byte, error) {
	body, err := json.Marshal(a)
	for _, shorten := range []func(){
		func() { a.Endpoints = nil }, func() { a.Windows = nil }, func() { a.Missing = nil },
	} {
		if err != nil || len(body) <= longest {
			return body, err
		}
		shorten()
		a.Shortened = true
		body, err = json.Marshal(a)
	}
	return body, err
}

// Message is an alert as a receiver gets it.
type Message struct {
	ID   string
	Data []byte
	// Attributes are those of the CloudEvent, in Pub/Sub's binding, and what subscriptions
	// filter by.
	Attributes map[string]string
}

// message returns the message of an alert. source is the service's path.
func (a Alert) message(source string) (Message, error) {
	data, err := a.Encode()
	m := Message{ID: a.ID, Data: data, Attributes: map[string]string{
		"kind": string(a.Kind), "alertID": a.ID, "serviceName": cut(a.ServiceName), "content-type": "application/json",
		"ce-specversion": "1.0", "ce-id": a.ID, "ce-source": cut(source), "ce-type": Type, "ce-time": a.At.Format(time.RFC3339Nano),
	}}
	for name, value := range map[string]string{"correlationKey": a.CorrelationKey, "completion": a.Completion, "eventID": a.EventID} {
		if value != "" {
			m.Attributes[name] = cut(value)
		}
	}
	return m, err
}

// cut shortens an attribute's value to Pub/Sub's limit. The data has it whole.
func cut(s string) string {
	const most = 1024
	if len(s) <= most {
		return s
	}
	n := most
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
