package simulation

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// Recorded is a message, or the record of a window without one, as a deployment lists it.
type Recorded struct {
	EventID        string
	Date           time.Time
	CorrelationKey string
	Completion     store.Completion
	NumberOfEvents int
	// Members are the ids of the included events by endpoint, and First is the receipt of the
	// first of them. They are needed of a message that no simulated one equals.
	Members map[string][]string
	First   time.Time
}

// line returns the line that a simulation would have for the message.
func (r *Recorded) line() *Line {
	l := &Line{At: r.Date, Kind: Message, Key: r.CorrelationKey, Completion: r.Completion, Events: r.Members, EventID: r.EventID}
	switch r.Completion {
	case store.Expired:
		l.Kind, l.Completion = Dropped, ""
	case store.DeadLettered:
		l.Kind, l.Completion = DeadLetter, ""
	}
	return l
}

// outcome has the properties of a message that are compared: its events, key and completion.
// Times are not compared: a deployment looks up to a second later, or whenever it is asked.
type outcome struct {
	eventID, key string
	kind         Kind
	completion   store.Completion
}

func (l *Line) outcome() outcome { return outcome{l.EventID, l.Key, l.Kind, l.Completion} }

// Against compares the lines of a simulation with what a deployment did. since is the receipt
// of the first event that was played. A deployment's message with an earlier event cannot
// be simulated, nor can what a simulation makes of the message's other events: both are left
// out, and early counts such messages. detail fills in the Members of a message.
func Against(recorded []Recorded, got []*Line, since time.Time, detail func(*Recorded) error) (difference []string, early int, err error) {
	simulated := make(map[outcome]int)
	for _, l := range got {
		simulated[l.outcome()]++
	}
	deployed := make(map[outcome]int)
	var sides []*Line // what is on one side only
	missing := make(map[*Line]bool)
	partly := make(map[string]bool) // events of messages that began earlier
	for i := range recorded {
		r := &recorded[i]
		o := r.line().outcome()
		if deployed[o]++; deployed[o] <= simulated[o] {
			continue
		}
		if err := detail(r); err != nil {
			return nil, 0, err
		}
		if r.First.Before(since) {
			early++
			for _, ids := range r.Members {
				for _, id := range ids {
					partly[id] = true
				}
			}
			continue
		}
		l := r.line()
		missing[l] = true
		sides = append(sides, l)
	}
	for _, l := range got {
		if l.Kind == Expired || l.Kind == Refused || l.Kind == Alert || l.Kind == Dropped && l.Reason != "" {
			continue // a deployment does not list them
		}
		if o := l.outcome(); deployed[o] > 0 {
			deployed[o]--
			continue
		}
		if !l.hasAny(partly) {
			sides = append(sides, l)
		}
	}
	slices.SortStableFunc(sides, func(a, b *Line) int { return a.At.Compare(b.At) })
	for _, l := range sides {
		text, err := json.Marshal(l)
		if err != nil {
			return nil, 0, err
		}
		sign := "+ "
		if missing[l] {
			sign = "- "
		}
		difference = append(difference, sign+string(text))
	}
	return difference, early, nil
}

func (l *Line) hasAny(ids map[string]bool) bool {
	for _, list := range l.Events {
		if slices.ContainsFunc(list, func(id string) bool { return ids[id] }) {
			return true
		}
	}
	return false
}
