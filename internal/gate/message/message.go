// Package message writes a sync message: EventSync's JSON, field for field, with later
// fields added.
//
// It is pure and deterministic: the same claim and events give the same bytes. A retry
// therefore publishes the identical message, and nobody has to store messages.
package message

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/event"
)

// Form states how much of its events a message carries. A message that is too large for
// the bus is published in the largest form that fits. Such a message is a claim check: its
// ContentURL is the URL at which a consumer reads the whole message.
type Form int

// The forms.
const (
	Whole     Form = iota // everything
	NoContent             // the events without content
	NoEvents              // only the summary of each endpoint
)

// Head holds the fields of a message outside its events.
type Head struct {
	Format      Format
	EventID     string
	Date        time.Time
	ServiceName string
	TriggerType string
	ContentURL  string // written in every form but Whole
	// Window is nil for a service without correlation, deadlines and conditions.
	Window *Window
}

// Window says which window the message is of. Its fields are written where they are used.
type Window struct {
	CorrelationKey string      `json:"correlationKey,omitempty"`
	Completion     string      `json:"completion"`
	Reason         string      `json:"reason,omitempty"`
	Missing        []Shortfall `json:"missing,omitempty"`
	Window         *Times      `json:"window,omitempty"`
}

// Times are those between which a window was open.
type Times struct {
	Opened time.Time `json:"opened"`
	Closes time.Time `json:"closes"`
}

// Shortfall tells that the window had fewer events of an endpoint than it needed.
type Shortfall struct {
	EventKey string `json:"eventKey"`
	Have     int    `json:"have"`
	Need     int    `json:"need"`
}

type eventJSON struct {
	ID              string                     `json:"id,omitempty"`
	Datetime        time.Time                  `json:"datetime"`
	EventKey        string                     `json:"eventKey"`
	Headers         map[string][]string        `json:"headers,omitzero"`
	QueryParams     map[string][]string        `json:"queryParams,omitzero"`
	RawQuery        string                     `json:"rawQuery,omitempty"`
	Redacted        []string                   `json:"redacted,omitempty"`
	Content         *string                    `json:"content,omitempty"`
	ContentEncoding string                     `json:"contentEncoding,omitempty"`
	HTTPMethod      string                     `json:"httpMethod,omitempty"`
	CloudEvent      map[string]json.RawMessage `json:"cloudEvent,omitempty"`
	PubSub          *event.PubSub              `json:"pubsub,omitempty"`
}

// Fetch returns the events of a list, in the order of its Included.
type Fetch func(included []event.Ref) iter.Seq2[event.Event, error]

// Write writes the message to w. It keeps one event in memory at a time. It returns the
// first error of fetch or w, and fails if fetch returns fewer events than asked. EventSync's
// formats have the form Whole only.
func Write(w io.Writer, head Head, lists []event.List, form Form, fetch Fetch) error {
	return WriteFrom(w, head, lists, form, func(list int) (int, iter.Seq2[event.Event, error]) {
		return len(lists[list].Included), fetch(lists[list].Included)
	})
}

// Source returns the number of a list's included events, and these in order.
type Source func(list int) (n int, events iter.Seq2[event.Event, error])

// WriteFrom is Write for lists whose included events are not at hand.
func WriteFrom(w io.Writer, head Head, lists []event.List, form Form, source Source) error {
	if form != Whole && head.Format.Strict() {
		return fmt.Errorf("%w: the format %s has no claim check", ErrTooLarge, head.Format)
	}
	p := &printer{w: w, format: head.Format}
	p.raw(`{"eventID":`).value(head.EventID)
	p.raw(`,"date":`).value(head.Date)
	p.raw(`,"serviceName":`).value(head.ServiceName)
	p.raw(`,"triggerType":`).value(head.TriggerType)
	if w := head.Window; w != nil && !head.Format.Strict() {
		p.members(w)
	}
	if form != Whole {
		p.raw(`,"contentURL":`).value(head.ContentURL)
	}
	p.raw(`,"events":{`)
	for i, l := range lists {
		if i > 0 {
			p.raw(",")
		}
		n, events := source(i)
		if err := p.endpoint(l, form, n, events); err != nil {
			return err
		}
	}
	p.raw("}}")
	return p.err
}

// members writes the members of a value that is a JSON object, as members of the message.
func (p *printer) members(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		p.err = err
		return
	}
	p.raw(",").raw(string(b[1 : len(b)-1]))
}

func (p *printer) endpoint(l event.List, form Form, n int, events iter.Seq2[event.Event, error]) error {
	p.value(l.Key).raw(":{")
	if l.Count > 0 { // otherwise there are no times
		if p.format != EventSync2 {
			p.raw(`"FirstEventDate":`).value(l.First).raw(",")
		}
		if p.format != EventSync1 {
			p.raw(`"firstEventDate":`).value(l.First).raw(",")
		}
		p.raw(`"lastEventDate":`).value(l.Last).raw(",")
	}
	p.raw(`"numberOfEvents":`).value(l.Count)
	if p.format != EventSync1 {
		p.raw(`,"minNbOfOccurrence":`).value(l.Need)
		p.raw(`,"eventToSend":`).value(l.Send)
	}
	if n > 0 && form != NoEvents {
		p.raw(`,"events":[`)
		i := 0
		for e, err := range events {
			if err != nil {
				return err
			}
			if i > 0 {
				p.raw(",")
			}
			p.value(p.format.shown(toJSON(e, form)))
			if i++; p.err != nil {
				return p.err
			}
		}
		if i != n {
			return fmt.Errorf("message: only %d of %d events of endpoint %q were read", i, n, l.Key)
		}
		p.raw("]")
	}
	p.raw("}")
	return p.err
}

func toJSON(e event.Event, form Form) eventJSON {
	j := eventJSON{
		ID: e.ID, Datetime: e.ReceivedAt.UTC(), EventKey: e.Key,
		Headers: orEmpty(e.Meta.Headers), QueryParams: orEmpty(e.Meta.Query), RawQuery: e.Meta.RawQuery,
		HTTPMethod: e.Meta.Method, CloudEvent: e.Meta.CloudEvent, PubSub: e.Meta.PubSub, Redacted: e.Meta.Redacted,
	}
	if form == Whole {
		content := string(e.Content)
		if !utf8.ValidString(content) {
			content, j.ContentEncoding = base64.StdEncoding.EncodeToString(e.Content), "base64"
		}
		j.Content = &content
	}
	return j
}

func orEmpty(m map[string][]string) map[string][]string {
	if m == nil {
		return map[string][]string{}
	}
	return m
}

// printer writes JSON. It keeps the first error, and writes nothing after it.
type printer struct {
	w      io.Writer
	format Format
	buf    bytes.Buffer
	err    error
}

func (p *printer) raw(s string) *printer {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
	return p
}

func (p *printer) value(v any) *printer {
	if p.err != nil {
		return p
	}
	p.buf.Reset()
	enc := json.NewEncoder(&p.buf)
	enc.SetEscapeHTML(false) // a message is no HTML, and escapes would make it longer
	if p.err = enc.Encode(v); p.err == nil {
		_, p.err = p.w.Write(bytes.TrimSuffix(p.buf.Bytes(), []byte("\n")))
	}
	return p
}

// Limit is a buffer with a maximum size. It stops Write early, before a message that is
// too large has been built whole.
type Limit struct {
	Max int
	buf bytes.Buffer // not embedded: its WriteString would bypass the limit
}

// ErrTooLarge is the error of the write that would exceed Max.
var ErrTooLarge = errors.New("message: larger than the limit")

func (l *Limit) Write(b []byte) (int, error) {
	if l.buf.Len()+len(b) > l.Max {
		return 0, ErrTooLarge
	}
	return l.buf.Write(b)
}

// Bytes returns what was written.
func (l *Limit) Bytes() []byte { return l.buf.Bytes() }
