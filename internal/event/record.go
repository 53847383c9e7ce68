package event

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Record is a stored event as a line of JSON, which GET /events writes and a simulation
// reads. It holds all that the rules of a gate look at, so that they can decide again.
type Record struct {
	ID       string `json:"id" description:"The id, as messages have it. Two lines never have the same one."`
	Service  string `json:"service"`
	EventKey string `json:"eventKey"`
	// CorrelationKey is never "" in a service with correlation.
	CorrelationKey string    `json:"correlationKey,omitempty" description:"The key that the event got when it was received, in a service with correlation."`
	ReceivedAt     time.Time `json:"receivedAt" description:"Exact to the microsecond. Lines are in the order of (receivedAt, id)."`

	Method     string                     `json:"method"`
	Headers    map[string][]string        `json:"headers,omitempty" description:"Without credentials."`
	Query      map[string][]string        `json:"query,omitempty" description:"Without credentials."`
	RawQuery   string                     `json:"rawQuery,omitempty" description:"The query as it was received, if it is malformed or not UTF-8."`
	Redacted   []string                   `json:"redacted,omitempty" description:"The names of the credentials that were dropped."`
	CloudEvent map[string]json.RawMessage `json:"cloudEvent,omitempty" description:"The attributes of a CloudEvent."`
	// Traceparent is that of the event's request, not the one that the source sent.
	Traceparent string `json:"traceparent,omitempty" description:"The span of the request that brought the event, if it was recorded."`

	PubSub *PubSub `json:"pubsub,omitempty" description:"What the Pub/Sub push that carried the event says, if the content is its data. Without credentials."`

	Content         string `json:"content"`
	ContentEncoding string `json:"contentEncoding,omitempty" enum:"base64" description:"base64: the content is not UTF-8."`
}

const encodingBase64 = "base64"

// RecordOf returns the record of a service's event.
func RecordOf(service string, e Event) Record {
	r := Record{
		ID: e.ID, Service: service, EventKey: e.Key, CorrelationKey: e.Meta.CorrelationKey, ReceivedAt: e.ReceivedAt.UTC(),
		Method: e.Meta.Method, Headers: e.Meta.Headers, Query: e.Meta.Query, RawQuery: e.Meta.RawQuery, Redacted: e.Meta.Redacted,
		CloudEvent: e.Meta.CloudEvent, PubSub: e.Meta.PubSub, Traceparent: e.Meta.Traceparent, Content: string(e.Content),
	}
	if !utf8.ValidString(r.Content) {
		r.Content, r.ContentEncoding = base64.StdEncoding.EncodeToString(e.Content), encodingBase64
	}
	return r
}

// Event is the inverse of RecordOf. It returns an error for a record that no store wrote.
func (r Record) Event() (Event, error) {
	e := Event{
		ID: r.ID, Key: r.EventKey, ReceivedAt: r.ReceivedAt.UTC(), Content: []byte(r.Content),
		Meta: Meta{
			Method: r.Method, Headers: r.Headers, Query: r.Query, RawQuery: r.RawQuery, Redacted: r.Redacted,
			CloudEvent: r.CloudEvent, PubSub: r.PubSub, CorrelationKey: r.CorrelationKey, Traceparent: r.Traceparent,
		},
	}
	switch r.ContentEncoding {
	case "":
	case encodingBase64:
		var err error
		if e.Content, err = base64.StdEncoding.DecodeString(r.Content); err != nil {
			return Event{}, fmt.Errorf("the content is not base64: %w", err)
		}
	default:
		return Event{}, fmt.Errorf("contentEncoding %q is unknown: it is base64, or absent", r.ContentEncoding)
	}
	switch {
	case r.EventKey == "":
		return Event{}, errors.New("eventKey is missing")
	case r.ReceivedAt.IsZero():
		return Event{}, errors.New("receivedAt is missing")
	}
	return e, nil
}

// Ref returns the reference to the event, with its size unknown.
func (r *Record) Ref() Ref { return Ref{ID: r.ID, ReceivedAt: r.ReceivedAt} }

// Push returns the Pub/Sub push that carried the event, or nil. opened reports that the
// content is its data; otherwise the content is the push, or a CloudEvent around it.
func (r Record) Push(content []byte) (p *Push, opened bool) {
	if r.PubSub != nil {
		return &Push{PubSub: *r.PubSub, Data: content}, true
	}
	if push, ok := PushIn(r.Headers, content); ok {
		return &push, false
	}
	return nil, false
}

// Line is a line of GET /events: a record, or, as the last line of a stream that broke off,
// an Error and where to go on.
type Line struct {
	Record
	*Broken
}

// Broken is the last line of a stream that broke off. A stream that is whole has none.
type Broken struct {
	Error string `json:"error" description:"Why the stream ends before its time."`
	// Next is "" if no event was written.
	Next string `json:"next,omitempty" description:"The value of after that continues behind the last event written; absent if there was none."`
}
