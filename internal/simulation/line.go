package simulation

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// Kind says what a line tells.
type Kind string

// The kinds of lines.
const (
	Message    Kind = "message"    // a message was published
	DeadLetter Kind = "deadLetter" // a window closed incomplete, or (with a reason) an event is in no window: a dead letter
	Dropped    Kind = "dropped"    // the same, and nothing was published
	Expired    Kind = "expired"    // events left their window, by age or by a reset, and no message has them
	Refused    Kind = "refused"    // a source got an error for its event
	Alert      Kind = "alert"      // an alert would be sent
)

// Line is one line of the result: what the gate did at an instant.
type Line struct {
	At         time.Time        `json:"at"`
	Kind       Kind             `json:"kind"`
	Key        string           `json:"key,omitempty"`        // the correlation key
	Completion store.Completion `json:"completion,omitempty"` // of a message by a service with windows
	// Have is the number of events by endpoint, and Events are those of them that the message
	// includes, in its order. Events are named by their recorded ids, or as their file calls them.
	Have    map[string]int      `json:"have,omitempty"`
	Events  map[string][]string `json:"events,omitempty"`
	Missing []Shortfall         `json:"missing,omitempty"`
	Opened  *time.Time          `json:"opened,omitempty"`
	Closes  *time.Time          `json:"closes,omitempty"`
	EventID string              `json:"eventID,omitempty"`
	// Reason is that of a refusal, or why a single event is in no window; then it is dropped, or
	// a dead letter.
	Reason string          `json:"reason,omitempty"`
	Alert  json.RawMessage `json:"alert,omitempty"`

	step     int  // lines of one step have no order of their own
	labelled bool // Events are as the file calls them
}

// Shortfall tells that an endpoint had fewer events than it needed.
type Shortfall struct {
	EventKey string `json:"eventKey"`
	Have     int    `json:"have"`
	Need     int    `json:"need"`
}

// compare orders lines by time, then as they came about. The gate may publish what it
// decided in one step in any order.
func (l *Line) compare(o *Line) int {
	if c := l.At.Compare(o.At); c != 0 {
		return c
	}
	if l.step != o.step {
		return l.step - o.step
	}
	if l.Opened != nil && o.Opened != nil && !l.Opened.Equal(*o.Opened) {
		return l.Opened.Compare(*o.Opened)
	}
	return strings.Compare(l.Key+"\x00"+l.EventID+string(l.Alert), o.Key+"\x00"+o.EventID+string(o.Alert))
}

// Shown returns the events of the line in words, in the order of the endpoints: "order 1,
// payment 2". An event that no route of a feed took is in none of them.
func (l *Line) Shown(endpoints []string) string {
	var words []string
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(l.Have)), func(key string) bool { return slices.Contains(endpoints, key) })
	for _, key := range append(slices.Clone(endpoints), others...) {
		if n := l.Have[key]; n > 0 {
			words = append(words, key+" "+strconv.Itoa(n))
		}
	}
	return strings.Join(words, ", ")
}

// sortLines sorts lines that are nearly in order.
func sortLines(lines []*Line) { slices.SortStableFunc(lines, (*Line).compare) }
