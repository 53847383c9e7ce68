package simulation

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
)

// Event is an event to be played.
type Event struct {
	At time.Time // of its receipt
	In gate.Incoming
	// Label names the event in the lines of the result: its recorded id, or what the person
	// who wrote it calls it.
	Label string
	// Recorded says that a deployment stored the event. Several that were received in the
	// same microsecond came in one request.
	Recorded bool
	Line     int // of the file
}

// maxLine bounds a line: the largest event, whose bytes may all be escaped.
const maxLine = 64 << 20

// Read yields the events of JSON Lines. A line is a record, as GET /events writes it, or a
// short one that a person wrote (see written). Lines are in the order of time. Empty lines,
// and those that begin with "//", are skipped. After an error nothing follows.
//
// A goroutine parses ahead: that is a good part of a simulation's work. It ends with the
// iteration, after the read that is under way.
func Read(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		groups, stop := make(chan []parsed, groupsAhead), make(chan struct{})
		defer close(stop)
		go func() {
			defer close(groups)
			parseAll(r, func(g []parsed) bool {
				select {
				case groups <- g:
					return true
				case <-stop:
					return false
				}
			})
		}()
		for g := range groups {
			for _, one := range g {
				if !yield(one.event, one.err) || one.err != nil {
					return
				}
			}
		}
	}
}

// groupSize and groupsAhead bound the events that are parsed ahead.
const groupSize, groupsAhead = 64, 4

type parsed struct {
	event Event
	err   error
}

// parseAll calls take with the events, some at a time, until it returns false.
func parseAll(r io.Reader, take func([]parsed) bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	last := time.Time{}
	group := make([]parsed, 0, groupSize)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || bytes.HasPrefix(line, []byte("//")) {
			continue
		}
		e, err := parse(line, n)
		if err == nil && e.At.Before(last) {
			err = fmt.Errorf("is received at %s, before the line above it", e.At.Format(time.RFC3339Nano))
		}
		if err != nil {
			take(append(group, parsed{e, fmt.Errorf("line %d: %w", n, err)}))
			return
		}
		last = e.At
		if group = append(group, parsed{e, nil}); len(group) == groupSize {
			if !take(group) {
				return
			}
			group = make([]parsed, 0, groupSize)
		}
	}
	if err := lines.Err(); err != nil {
		group = append(group, parsed{Event{}, err})
	}
	take(group)
}

// written is an event as a person writes it: when it is received, its endpoint or feed, and
// its body. What a request may have beside that is optional.
type written struct {
	At       time.Time         `json:"at"`
	EventKey string            `json:"eventKey"`
	Feed     string            `json:"feed"` // in the place of eventKey, which its routes give
	Body     json.RawMessage   `json:"body"` // JSON, sent as it stands
	Text     *string           `json:"text"` // or any text
	ID       string            `json:"id"`   // what the result calls the event
	Name     string            `json:"idempotencyKey"`
	Headers  map[string]string `json:"headers"`
	Query    map[string]string `json:"query"`
	Attrs    map[string]string `json:"attributes"`
}

func parse(line []byte, n int) (Event, error) {
	if e, ok := parseRecord(line, n); ok {
		return e, nil
	}
	var kind struct {
		At         *json.RawMessage `json:"at"`
		ReceivedAt *json.RawMessage `json:"receivedAt"`
		Error      *string          `json:"error"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return Event{}, err
	}
	switch {
	case kind.Error != nil && kind.ReceivedAt == nil:
		return Event{}, fmt.Errorf("the events end here, before their time: %s", *kind.Error)
	case kind.At != nil:
		return parseWritten(line, n)
	case kind.ReceivedAt != nil:
		return recordOf(line, n)
	}
	return Event{}, errors.New(`has neither "receivedAt", as recorded events do, nor "at"`)
}

var receivedAt = []byte(`"receivedAt"`)

// parseRecord parses what is surely a record: the usual line of a long file.
func parseRecord(line []byte, n int) (e Event, ok bool) {
	if !bytes.Contains(line, receivedAt) {
		return e, false
	}
	e, err := recordOf(line, n)
	return e, err == nil
}

func recordOf(line []byte, n int) (Event, error) {
	var r event.Record
	if err := json.Unmarshal(line, &r); err != nil {
		return Event{}, err
	}
	e, err := r.Event()
	if err != nil {
		return Event{}, err
	}
	if !isID(e.ID) {
		return Event{}, fmt.Errorf("%.40q is not the id of an event", e.ID)
	}
	e.Meta.PubSub, e.Meta.CorrelationKey = nil, "" // the rules of this configuration decide
	in := gate.Incoming{EventKey: e.Key, Meta: e.Meta, Content: e.Content, ID: e.ID}
	in.Push, in.Opened = r.Push(e.Content)
	if feed, ok := strings.CutPrefix(e.Key, feedPath); ok { // a dead letter: the present routes may take it
		in.EventKey, in.Feed = "", feed
	}
	if !(event.Ref{ID: e.ID, ReceivedAt: e.ReceivedAt}).Unnamed() {
		in.IdempotencyKey = nameOf(&r, e, in.Push)
	}
	return Event{At: e.ReceivedAt.UTC().Truncate(time.Microsecond), Label: e.ID, Recorded: true, Line: n, In: in}, nil
}

// feedPath stands before the name of a feed, in the place of the eventKey that no route gave.
const feedPath = "/feed/"

// nameOf returns the name that the source gave the event; "" if the record does not tell it,
// because a rule named the event, or its batch or push did.
func nameOf(r *event.Record, e event.Event, push *event.Push) string {
	name := event.IdempotencyKey(e.Meta.Headers, e.Meta.CloudEvent, push)
	if name == "" {
		return ""
	}
	if id := event.DeriveID(r.Service, r.EventKey, name); id != e.ID && event.ArchivedID(id, e.ReceivedAt) != e.ID {
		return ""
	}
	return name
}

func parseWritten(line []byte, n int) (Event, error) {
	var w written
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return Event{}, err
	}
	switch {
	case w.EventKey == "" && w.Feed == "":
		return Event{}, errors.New("has neither eventKey nor feed")
	case w.EventKey != "" && w.Feed != "":
		return Event{}, errors.New("has both eventKey and feed")
	}
	if w.Body != nil && w.Text != nil {
		return Event{}, errors.New("has both body and text")
	}
	e := Event{At: w.At.UTC().Truncate(time.Microsecond), Label: w.ID, Line: n}
	if e.Label == "" {
		e.Label = "line " + strconv.Itoa(n)
	}
	content := []byte(w.Body)
	if w.Text != nil {
		content = []byte(*w.Text)
	}
	header := http.Header{}
	if w.Body != nil {
		header.Set("Content-Type", "application/json")
	}
	for name, value := range w.Headers {
		header.Set(name, value)
	}
	if w.Name != "" {
		header.Set("Idempotency-Key", w.Name)
	}
	carried, err := event.Decode(header, content)
	if err != nil {
		return Event{}, err
	}
	if w.Attrs != nil { // the line has what a push carries, and not its envelope
		carried.Push, carried.Opened = &event.Push{PubSub: event.PubSub{Attributes: w.Attrs}, Data: content}, true
	}
	meta := event.Meta{Method: "POST", Headers: header, CloudEvent: carried.CloudEvent}
	for name, value := range w.Query {
		if meta.Query == nil {
			meta.Query = map[string][]string{}
		}
		meta.Query[name] = []string{value}
	}
	e.In = gate.Incoming{
		EventKey: w.EventKey, Feed: w.Feed, Meta: meta, Content: carried.Content, Push: carried.Push, Opened: carried.Opened,
		ID: idAt(e.At, n), IdempotencyKey: carried.Key,
	}
	return e, nil
}

// idAt returns the id of the event in the line. It has the form of an id without a name, but
// is the same each time.
func idAt(at time.Time, line int) string {
	return fmt.Sprintf("%012x%020x", at.UnixMilli(), line)
}

func isID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == event.IDLen
}
