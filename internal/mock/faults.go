package mock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Name is the name of a fault.
type Name string

// The faults.
const (
	// Rate429 answers 429, with Retry-After if retryAfter is set.
	Rate429 Name = "rate429"
	// Rate500 answers 500 and does not process the request.
	Rate500 Name = "rate500"
	// Delay delays the answer.
	Delay Name = "delayMs"
	// RepeatPage answers with the previous page of a list, for any page.
	RepeatPage Name = "repeatPage"
	// LateCommit makes rows visible some time after they were stamped.
	LateCommit Name = "lateCommitMs"
	// EqualTimestamps stamps a row with the time of the previous one.
	EqualTimestamps Name = "equalTimestamps"
	// WrongTypes changes the type of a field in one row of a list.
	WrongTypes Name = "wrongTypes"
	// Truncate sends half of a list.
	Truncate Name = "truncate"
	// LostAnswer processes the request, and closes the connection without an answer.
	LostAnswer Name = "lostAnswer"
)

var names = []Name{Rate429, Rate500, Delay, RepeatPage, LateCommit, EqualTimestamps, WrongTypes, Truncate, LostAnswer}

// Faults are the faults to inject, by name. In JSON, true means always. A number is the
// probability, or for names that end in Ms the milliseconds.
type Faults map[Name]Fault

// Fault states how often a fault happens.
type Fault struct {
	// Next is the number of the next requests, or of the next written rows, that have it.
	Next int `json:"next,omitempty"`
	// Probability is that of each request or row, if Next is 0.
	Probability float64 `json:"probability,omitempty"`
	Ms          int     `json:"ms,omitempty"`
	RetryAfter  int     `json:"retryAfter,omitempty"` // seconds
}

// UnmarshalJSON decodes faults, and returns an error for one that is unknown or not valid.
func (f *Faults) UnmarshalJSON(b []byte) error {
	raw := map[Name]json.RawMessage{}
	if err := json.Unmarshal(b, &raw); err != nil {
		return fmt.Errorf("faults must be an object: %w", err)
	}
	*f = Faults{}
	for name, v := range raw {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%q is not a fault: the faults are %s", name, strings.Trim(fmt.Sprint(names), "[]"))
		}
		fault, err := parseFault(name, v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if fault.on() {
			(*f)[name] = fault
		}
	}
	return nil
}

func parseFault(name Name, raw json.RawMessage) (Fault, error) {
	inMs := strings.HasSuffix(string(name), "Ms")
	var f Fault
	var always bool
	var number float64
	switch {
	case json.Unmarshal(raw, &always) == nil:
		if always {
			f.Probability = 1
		}
	case json.Unmarshal(raw, &number) == nil:
		if f.Probability = number; inMs {
			f = Fault{Ms: int(number)}
		}
	default:
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			return f, err
		}
	}
	if inMs && f.Next == 0 && f.Probability == 0 && f.Ms > 0 {
		f.Probability = 1
	}
	if f.Probability < 0 || f.Probability > 1 || f.Next < 0 || f.Ms < 0 || f.RetryAfter < 0 {
		return f, fmt.Errorf("a probability must be from 0 to 1, and no number may be negative")
	}
	return f, nil
}

func (f Fault) on() bool { return f.Next > 0 || f.Probability > 0 }

func (f Faults) clone() Faults {
	if f == nil {
		return Faults{}
	}
	return maps.Clone(f)
}

// take reports whether the fault happens now, and counts Next down.
func (f Faults) take(name Name, r *rand.Rand) (Fault, bool) {
	fault, ok := f[name]
	if !ok {
		return fault, false
	}
	if fault.Next > 0 {
		if fault.Next--; fault.Next == 0 {
			fault.Probability = 0
			delete(f, name)
		} else {
			f[name] = fault
		}
		return fault, true
	}
	return fault, r.Float64() < fault.Probability
}

// hits are the faults of one request.
type hits struct {
	rate429, rate500, repeatPage, wrongTypes, truncate, lostAnswer bool
	retryAfter                                                     int
	delay                                                          time.Duration
}

// draw decides which faults a request has. A request that fails at once uses up no other
// fault.
func (s *Server) draw(method string) (h hits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	take := func(name Name) (Fault, bool) { return s.faults.take(name, s.o.Rand) }
	if f, on := take(Delay); on {
		h.delay = time.Duration(f.Ms) * time.Millisecond
	}
	var f Fault
	if f, h.rate429 = take(Rate429); h.rate429 {
		h.retryAfter = f.RetryAfter
		return h
	}
	if _, h.rate500 = take(Rate500); h.rate500 {
		return h
	}
	if method == http.MethodGet {
		_, h.repeatPage = take(RepeatPage)
		_, h.wrongTypes = take(WrongTypes)
		_, h.truncate = take(Truncate)
	} else {
		_, h.lostAnswer = take(LostAnswer)
	}
	return h
}

// spoil changes the type of a field in one row. s.mu must be held.
func (s *Server) spoil(a answer) answer {
	if len(a.list) == 0 {
		return a
	}
	list := slices.Clone(a.list)
	i := s.o.Rand.IntN(len(list))
	row := maps.Clone(list[i])
	name := "value" // the main field of a reading; that of an event is "data"
	if _, ok := row[name]; !ok {
		name = "data"
	}
	if _, ok := row[name]; !ok {
		name = "id"
	}
	switch row[name].(type) {
	case string:
		row[name] = json.Number("12")
	default:
		row[name] = "twelve"
	}
	list[i] = row
	if m, ok := a.body.(map[string]any); ok { // {"events": […]}
		m = maps.Clone(m)
		for k := range m {
			m[k] = list
		}
		a.body = m
	} else {
		a.body = list
	}
	a.list = list
	return a
}
