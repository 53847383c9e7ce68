package client

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Message is a sync message in any of Headgate's formats. Those of EventSync have fewer
// fields.
type Message struct {
	EventID     string    `json:"eventID"` // the same at each delivery
	Date        time.Time `json:"date"`    // when its events were taken
	ServiceName string    `json:"serviceName"`
	TriggerType string    `json:"triggerType"` // window or none

	// CorrelationKey is the key that the events share. Completion gives the reason for which
	// the message was published: complete, partial, manual or deadLetter. Both are "" for a service without correlation,
	// deadlines and conditions, and in EventSync's formats, where they are Attributes only.
	CorrelationKey string      `json:"correlationKey,omitempty"`
	Completion     string      `json:"completion,omitempty"`
	Reason         string      `json:"reason,omitempty"`  // why a single event went to the dead letters
	Missing        []Shortfall `json:"missing,omitempty"` // what the window lacked
	Window         *Window     `json:"window,omitempty"`  // nil for a sliding window

	// ContentURL is the address of the whole message, if it is too large for the bus. This one
	// is then a claim check: its events have no content, or are left out. A [Consumer] with a
	// Gate hands over the whole message; [Gate.Whole] returns it.
	ContentURL string `json:"contentURL,omitempty"`

	Events map[string]Events `json:"events"` // by eventKey, also of endpoints that have none

	// Attributes are those of the Pub/Sub message that was pulled, or pushed in a wrapper.
	Attributes map[string]string `json:"-"`
}

// Shortfall tells that a window had fewer events of an endpoint than it needed.
type Shortfall struct {
	EventKey string `json:"eventKey"`
	Have     int    `json:"have"`
	Need     int    `json:"need"`
}

// Window has the times between which a window was open.
type Window struct {
	Opened time.Time `json:"opened"`
	Closes time.Time `json:"closes"`
}

// Events are those of one endpoint.
type Events struct {
	// FirstEventDate and LastEventDate are zero if there is no event.
	FirstEventDate    time.Time        `json:"firstEventDate,omitzero"` // also read as FirstEventDate
	LastEventDate     time.Time        `json:"lastEventDate,omitzero"`
	NumberOfEvents    int              `json:"numberOfEvents"` // in the window, however many are sent
	MinNbOfOccurrence int              `json:"minNbOfOccurrence,omitempty"`
	EventToSend       string           `json:"eventToSend,omitempty"` // ALL, FIRST, LAST or BOUNDARIES: which of them are in Events
	Events            []PublishedEvent `json:"events,omitempty"`      // in the order of their receipt
}

// PublishedEvent is an event as it was received.
type PublishedEvent struct {
	ID              string                     `json:"id,omitempty"`
	Datetime        time.Time                  `json:"datetime"`
	EventKey        string                     `json:"eventKey"`
	Headers         map[string][]string        `json:"headers,omitempty"` // without credentials
	QueryParams     map[string][]string        `json:"queryParams,omitempty"`
	RawQuery        string                     `json:"rawQuery,omitempty"` // where QueryParams cannot say it exactly
	Redacted        []string                   `json:"redacted,omitempty"` // the headers and parameters that were dropped
	Content         string                     `json:"content"`            // see Body
	ContentEncoding string                     `json:"contentEncoding,omitempty"`
	HTTPMethod      string                     `json:"httpMethod,omitempty"`
	CloudEvent      map[string]json.RawMessage `json:"cloudEvent,omitempty"` // the attributes, if it was one
	PubSub          *PubSub                    `json:"pubsub,omitempty"`     // if Content is the data of a push
}

// PubSub has the fields of a Pub/Sub push other than the data.
type PubSub struct {
	Subscription string            `json:"subscription,omitempty"`
	MessageID    string            `json:"messageId,omitempty"`
	PublishTime  string            `json:"publishTime,omitempty"` // as it was sent
	OrderingKey  string            `json:"orderingKey,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
}

// Body returns the bytes that the source sent. It is empty in a claim check.
func (e PublishedEvent) Body() ([]byte, error) {
	switch e.ContentEncoding {
	case "":
		return []byte(e.Content), nil
	case "base64":
		return base64.StdEncoding.DecodeString(e.Content)
	default:
		return nil, fmt.Errorf("headgate: unknown contentEncoding %q", e.ContentEncoding)
	}
}

// ParseMessage decodes a message. It ignores fields that it does not know, so that a field
// which Headgate adds stops no message. Its errors are [Permanent].
func ParseMessage(data []byte) (*Message, error) {
	var m Message
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, Permanent(fmt.Errorf("headgate: this is no message: %w", err))
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return &m, nil
}

// maxEventID is the longest eventID that stores have room for, in bytes. Headgate's have 32.
const maxEventID = 255

// check returns an error for JSON that is no message of Headgate's.
func (m *Message) check() error {
	switch {
	case m.EventID == "" || m.Events == nil:
		return Permanent(errors.New("headgate: this is no message: it has no eventID, or no events"))
	case len(m.EventID) > maxEventID || !utf8.ValidString(m.EventID) || strings.ContainsFunc(m.EventID, unicode.IsControl):
		return Permanent(errors.New("headgate: this is no message: its eventID is too long, or not a line of text"))
	}
	return nil
}
