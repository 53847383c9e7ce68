package window

import (
	"cmp"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/event"
)

// Kind says which events of a key belong to one window.
type Kind string

// The kinds of windows.
const (
	Sliding  Kind = "sliding"  // the events of the last Period; each event leaves by itself
	Anchored Kind = "anchored" // from the first event, for Period
	Tumbling Kind = "tumbling" // an interval of the calendar
	Session  Kind = "session"  // until Period passes without an event, at most MaxPeriod
)

// Shape is the rules of a service's windows. It is immutable.
type Shape struct {
	Kind      Kind
	Period    time.Duration
	MaxPeriod time.Duration // of a session; 0: no bound
	Grace     time.Duration // of a tumbling window: it closes this long after its interval
	// Interval returns the half-open interval of a tumbling window that contains t.
	Interval func(t time.Time) (start, end time.Time)
	// Resets are the instants at which every event received until then leaves its window;
	// nil: there are none.
	Resets  Instants
	AtClose bool // a complete window is released when it closes, not before
	// Kept says that events stay in a sliding window after a message has had them.
	Kept  bool
	Rules []Rule
	// Complete is the condition: enough reports whether an endpoint has the events that it needs.
	Complete Condition
}

// Instants is a schedule.
type Instants interface {
	// Next returns the first instant after t, or zero if there is none.
	Next(t time.Time) time.Time
	// Latest returns the last instant that is not after t, or zero if there is none.
	Latest(t time.Time) time.Time
}

// Condition says which endpoints complete a window. A further event never makes a complete
// window incomplete.
type Condition interface {
	Holds(enough func(endpoint int) bool) bool
}

// Verdict says what becomes of a window now.
type Verdict int

// The verdicts. Each window gets exactly one that is not Open, whenever somebody looks.
const (
	Open     Verdict = iota // it waits for more events
	Complete                // it is released
	Closed                  // its time ran out before it was complete
	Over                    // its events left it by age or by a reset, and no message has them
)

// Window holds one window of a key: its events, its times and its verdict.
type Window struct {
	Verdict Verdict
	Opened  time.Time
	Closes  time.Time         // of an Over window: the reset; zero: never as a whole
	Members [][]event.Waiting // by endpoint, in the order of the Rules; at most Max each
	Have    []int             // the number of members by endpoint
	// Until is the time before which the members' times are; zero: there is none.
	Until time.Time
}

// Bounded reports whether the first events of each endpoint, as many as its rule needs or
// more, tell the first window, its verdict, and by Until all its members.
func (s *Shape) Bounded(first [][]event.Waiting, now time.Time) bool {
	if s.Resets != nil {
		return false
	}
	if s.Kind == Sliding {
		return !slices.ContainsFunc(first, func(ws []event.Waiting) bool { return len(ws) > 0 && s.left(ws[0], now) })
	}
	return s.Kind == Anchored || s.Kind == Tumbling
}

// Windows divides the events of one key into its windows, oldest first, as they are at the
// instant now. waiting[i] holds the events of Rules[i] in their order.
//
// It is a function of the rules, the events and the instant alone. So all instances decide
// alike, and a late look finds the same windows as a punctual one: an event received after
// a window closed is not in it, even if nobody has looked at the closed window yet.
//
// waiting may hold only the first events of each endpoint, as many as its rule needs or
// more. Then a window with the verdict Open is right, unless events are stamped after now,
// and any other verdict must be found again from all events.
func (s *Shape) Windows(waiting [][]event.Waiting, now time.Time) []Window {
	rest := slices.Clone(waiting)
	if s.Kind == Sliding {
		return s.sliding(rest, now)
	}
	var all []Window
	for {
		first, ok := earliest(rest)
		if !ok {
			return all
		}
		w := s.window(rest, first, now)
		all = append(all, w)
		if w.Verdict == Open && s.Kind != Tumbling {
			return all // what it does not hold waits for its end
		}
		until := w.Closes
		if s.Kind == Tumbling {
			_, until = s.Interval(w.Opened)
		}
		for i := range rest {
			if w.Verdict == Open { // the next interval is a window beside it
				rest[i] = rest[i][before(rest[i], until):]
			} else {
				rest[i] = without(rest[i], w.Members[i])
			}
		}
	}
}

// sliding returns the window of the last Period, before it what has left the window, and
// first of all the windows that were complete before. A complete window is normally released
// when it becomes complete. If the look that would have released it never ended, this one
// finds it, as long as the events that have left are still in the set.
func (s *Shape) sliding(rest [][]event.Waiting, now time.Time) (all []Window) {
	if !s.Kept && slices.ContainsFunc(rest, func(ws []event.Waiting) bool { return len(ws) > 0 && s.left(ws[0], now) }) {
		all = s.missed(rest, now)
	}
	over, in := make([][]event.Waiting, len(rest)), make([][]event.Waiting, len(rest))
	for i, ws := range rest {
		for _, w := range ws {
			if s.left(w, now) {
				over[i] = append(over[i], w)
			} else {
				in[i] = append(in[i], w)
			}
		}
	}
	if first, ok := earliest(over); ok {
		all = append(all, s.judged(Window{Opened: first.At, Members: over, Verdict: Over}, now))
	}
	for first, ok := earliest(in); ok; first, ok = earliest(in) {
		w := s.judged(Window{Opened: first.At, Members: slices.Clone(in)}, now)
		all = append(all, w)
		if w.Verdict != Complete {
			break
		}
		for i := range in { // those beyond a rule's Max may be enough for another message
			in[i] = without(in[i], w.Members[i])
		}
	}
	return all
}

// left reports whether an event has left a sliding window at the instant, by age or by a reset.
func (s *Shape) left(w event.Waiting, at time.Time) bool {
	return !w.At.After(at.Add(-s.Period)) || s.Resets != nil && !w.ReceivedAt.After(s.Resets.Latest(at))
}

// missed takes the windows out of rest that were complete at an instant up to now.
func (s *Shape) missed(rest [][]event.Waiting, now time.Time) (all []Window) {
	for _, w := range slices.SortedFunc(slices.Values(slices.Concat(rest...)), event.Waiting.Compare) {
		if w.At.After(now) {
			break
		}
		in := make([][]event.Waiting, len(rest))
		for i, ws := range rest {
			for _, m := range ws[:before(ws, w.At.Add(time.Nanosecond))] {
				if !s.left(m, w.At) {
					in[i] = append(in[i], m)
				}
			}
		}
		first, ok := earliest(in)
		if !ok {
			continue
		}
		if one := s.judged(Window{Opened: first.At, Members: in}, w.At); one.Verdict == Complete {
			all = append(all, one)
			for i := range rest {
				rest[i] = without(rest[i], one.Members[i])
			}
		}
	}
	return all
}

// window returns the window that the earliest event is in. The time of the slot's first
// event opens it, so that a window does not move when an event takes another's place.
func (s *Shape) window(rest [][]event.Waiting, first event.Waiting, now time.Time) Window {
	w := Window{Opened: first.First, Members: make([][]event.Waiting, len(rest))}
	until := time.Time{} // of the members' times
	switch s.Kind {
	case Anchored:
		w.Closes = w.Opened.Add(s.Period)
		until = w.Closes
	case Session:
		w.Opened, w.Closes = s.session(rest)
		until = w.Closes
	case Tumbling:
		w.Opened, until = s.Interval(first.At)
		w.Closes = until.Add(s.Grace)
	}
	if !until.After(first.At) { // rules with shorter windows came after the slot's first event
		until = first.At.Add(time.Microsecond)
	}
	w.Until = until
	for i, ws := range rest {
		w.Members[i] = ws[:before(ws, until)]
	}
	return s.judged(w, now)
}

// session returns the times at which the earliest session opened, and closes. An event in a
// slot stands for all that waited there: the session lasted from the first of them until the
// newest, although the others' pointers are gone.
func (s *Shape) session(rest [][]event.Waiting) (opened, closes time.Time) {
	all := slices.SortedFunc(slices.Values(slices.Concat(rest...)), func(a, b event.Waiting) int {
		return cmp.Or(a.First.Compare(b.First), a.Compare(b))
	})
	opened = all[0].First
	for _, w := range all {
		if !closes.IsZero() && !w.First.Before(closes) {
			break
		}
		newest := w.At
		if w.Slot != "" { // its pointer lies where the first one did, so that what is due is found by it
			newest = w.ReceivedAt
		}
		if end := newest.Add(s.Period); end.After(closes) {
			closes = end
		}
		if longest := opened.Add(s.MaxPeriod); s.MaxPeriod > 0 && closes.After(longest) {
			closes = longest
		}
	}
	return opened, closes
}

// judged fills in the verdict, unless the window is over, and what the window has.
func (s *Shape) judged(w Window, now time.Time) Window {
	w.Have = make([]int, len(s.Rules))
	if w.Verdict != Over && s.Kind != Sliding && s.Resets != nil {
		if reset, ok := s.reset(w); ok && !reset.After(now) {
			w.Verdict, w.Closes = Over, reset
			for i, ws := range w.Members {
				w.Members[i] = slices.DeleteFunc(slices.Clone(ws), func(p event.Waiting) bool { return p.ReceivedAt.After(reset) })
			}
		}
	}
	for i, r := range s.Rules {
		if r.Max > 0 && len(w.Members[i]) > r.Max && w.Verdict != Over {
			w.Members[i] = w.Members[i][:r.Max]
		}
		w.Have[i] = len(w.Members[i])
	}
	if w.Verdict == Over {
		return w
	}
	closed := !w.Closes.IsZero() && !now.Before(w.Closes)
	complete := s.Complete.Holds(func(i int) bool { return s.Rules[i].Met(w.Have[i]) })
	switch {
	case complete && (closed || !s.AtClose):
		w.Verdict = Complete
	case closed:
		w.Verdict = Closed
	}
	return w
}

// reset returns the first reset that ends the window before it closes.
func (s *Shape) reset(w Window) (time.Time, bool) {
	var received time.Time
	for _, ws := range w.Members {
		for _, p := range ws {
			if received.IsZero() || p.ReceivedAt.Before(received) {
				received = p.ReceivedAt
			}
		}
	}
	// An instant counts for the events that were received at it or before.
	at := s.Resets.Next(received.Add(-time.Nanosecond))
	return at, !at.IsZero() && at.Before(w.Closes)
}

// Due returns the latest time of an event whose window may have to be closed or emptied
// now. Every event with a later time is in a window that is open. zero: none is due.
func (s *Shape) Due(now time.Time) time.Time {
	var due time.Time
	switch s.Kind {
	case Tumbling: // those of the intervals that have ended
		start, _ := s.Interval(now.Add(-s.Grace))
		due = start.Add(-time.Microsecond)
	default:
		due = now.Add(-s.Period)
	}
	if s.Resets != nil {
		if reset := s.Resets.Latest(now); reset.After(due) {
			due = reset
		}
	}
	return due
}

// Over returns the latest receipt of the events that have left their window by age or by a
// reset; zero: none has.
func (s *Shape) Over(now time.Time) (over time.Time) {
	if s.Kind == Sliding {
		over = now.Add(-s.Period)
	}
	if s.Resets != nil {
		if reset := s.Resets.Latest(now); reset.After(over) {
			over = reset
		}
	}
	return over
}

// Missing returns the endpoints that have fewer events than they need.
func (s *Shape) Missing(have []int) []Shortfall { return Missing(s.Rules, have) }

// earliest returns the first of all events.
func earliest(waiting [][]event.Waiting) (first event.Waiting, ok bool) {
	for _, ws := range waiting {
		if len(ws) > 0 && (!ok || ws[0].Compare(first) < 0) {
			first, ok = ws[0], true
		}
	}
	return first, ok
}

// before returns how many of the events have a time before the instant.
func before(ws []event.Waiting, until time.Time) int {
	n, _ := slices.BinarySearchFunc(ws, until, func(w event.Waiting, t time.Time) int {
		if w.At.Before(t) {
			return -1
		}
		return 1
	})
	return n
}

// without returns the events that are not among the members, which are some of them in
// the same order.
func without(ws, members []event.Waiting) []event.Waiting {
	if len(members) == 0 {
		return ws
	}
	var rest []event.Waiting
	for _, w := range ws {
		if len(members) > 0 && w.ID == members[0].ID {
			members = members[1:]
		} else {
			rest = append(rest, w)
		}
	}
	return rest
}
