package gate_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// obvious is a slow model of one service. It has a window of each key as state, is told
// what happens in order, and needs no look back: each event is put into its window when it
// is received, and each window ends at its instant.
type obvious struct {
	planRules
	now     time.Time
	windows []*obviousWindow // in the order in which they opened
	names   map[string]bool  // that are remembered
	out     []string
	late    bool // what closed is said to end at its close
}

// obviousWindow is an open window. A sliding window never closes.
type obviousWindow struct {
	key            string
	start          time.Time // of a tumbling window's interval
	opened, closes time.Time
	events         []*obviousEvent
}

type obviousEvent struct {
	id              string
	endpoint        int // 0: a, 1: b, 2: c
	value           string
	first, received time.Time // first: the receipt of the first event in its slot
	at              time.Time // its own time in a tumbling window, otherwise the receipt
}

func (o *obvious) period() time.Duration { return time.Duration(o.Period) * time.Second }

// next returns the first instant at which something ends by time alone, or zero.
func (o *obvious) next() (at time.Time) {
	for _, w := range o.windows {
		if !w.closes.IsZero() && (at.IsZero() || w.closes.Before(at)) {
			at = w.closes
		}
	}
	if reset := o.now.Truncate(5 * time.Minute).Add(5 * time.Minute); o.Resets && (at.IsZero() || reset.Before(at)) {
		at = reset
	}
	return at
}

// pass lets time pass until an instant, and ends what ends meanwhile.
func (o *obvious) pass(until time.Time) {
	for at := o.next(); !at.IsZero() && !at.After(until); at = o.next() {
		o.now = at
		for i := 0; i < len(o.windows); i++ {
			if w := o.windows[i]; !w.closes.IsZero() && !w.closes.After(at) {
				completion := map[string]store.Completion{"drop": store.Expired, "partial": store.Partial, "deadLetter": store.DeadLettered}[o.OnClose]
				if o.holds(o.have(w)) {
					completion = store.Complete
				}
				o.end(w, completion)
				i = -1
			}
		}
		o.reset()
	}
	o.now = until
}

// reset empties all windows if this is the instant of a scheduled reset.
func (o *obvious) reset() {
	if o.Resets && o.now.Equal(o.now.Truncate(5*time.Minute)) {
		o.windows = nil
	}
}

// post puts the event into a window, unless it is left out. It returns what the receipt says.
func (o *obvious) post(p post, id string) string {
	key, slot := "", p.Value
	if o.Correlated {
		key = p.Order
	}
	at := o.now
	if o.Kind == "tumbling" && o.EventTime {
		own := o.now.Add(p.At)
		if end := own.Truncate(o.period()).Add(o.period() + time.Duration(o.Grace)*time.Second); o.now.Before(end) {
			at = own
		} else if o.Late == "drop" {
			return "late"
		}
	}
	if p.Name > 0 {
		name := fmt.Sprint(p.Endpoint, p.Name)
		if o.names[name] {
			return "duplicate"
		}
		o.names[name] = true
	}
	o.reset() // what was received at that instant leaves at once
	e := &obviousEvent{id: id, endpoint: int(p.Endpoint[0] - 'a'), value: slot, first: o.now, received: o.now, at: at}
	w := o.windowFor(key, at)
	if e.endpoint == 1 && o.Distinct {
		for i, other := range w.events {
			if other.endpoint != 1 || other.value != e.value {
				continue
			}
			if o.KeepFirst {
				return "superseded"
			}
			e.first = other.first
			w.events[i] = e
			o.prolong(w)
			return ""
		}
	}
	w.events = append(w.events, e)
	o.prolong(w)
	return ""
}

// windowFor returns the window for an event that is received now and has the time at.
func (o *obvious) windowFor(key string, at time.Time) *obviousWindow {
	w := &obviousWindow{key: key, opened: o.now}
	if o.Kind == "tumbling" {
		w.start = at.Truncate(o.period())
		w.opened = w.start
	}
	for _, other := range o.windows {
		if other.key == key && other.start.Equal(w.start) && (other.closes.IsZero() || other.closes.After(o.now)) {
			w = other
		}
	}
	o.age(w)
	if !slices.Contains(o.windows, w) {
		o.windows = append(o.windows, w)
	}
	return w
}

// prolong sets when the window closes. Its newest event was received last.
func (o *obvious) prolong(w *obviousWindow) {
	switch o.Kind {
	case "anchored":
		w.closes = w.opened.Add(o.period())
	case "tumbling":
		w.closes = w.start.Add(o.period() + time.Duration(o.Grace)*time.Second)
	case "session":
		for _, e := range w.events {
			if end := e.received.Add(o.period()); end.After(w.closes) {
				w.closes = end
			}
		}
		if longest := w.opened.Add(time.Duration(o.MaxPeriod) * time.Second); w.closes.After(longest) {
			w.closes = longest
		}
	}
}

// check releases each window that is complete, after the events of a request.
func (o *obvious) check() {
	o.reset()
	if o.AtClose && o.Kind != "sliding" {
		return
	}
	for i := 0; i < len(o.windows); i++ {
		if o.age(o.windows[i]); o.holds(o.have(o.windows[i])) {
			o.end(o.windows[i], store.Complete)
			i = -1
		}
	}
}

func (o *obvious) have(w *obviousWindow) (have [3]int) {
	in, _ := o.members(w)
	for _, e := range in {
		have[e.endpoint]++
	}
	return have
}

// members returns the events of the window, and those that are too many.
func (o *obvious) members(w *obviousWindow) (in, beyond []*obviousEvent) {
	slices.SortFunc(w.events, func(a, b *obviousEvent) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	n := 0
	for _, e := range w.events {
		if e.endpoint == 0 {
			n++
		}
		if e.endpoint == 0 && o.Max > 0 && n > o.Max {
			beyond = append(beyond, e)
		} else {
			in = append(in, e)
		}
	}
	return in, beyond
}

// end ends the window.
func (o *obvious) end(w *obviousWindow, c store.Completion) {
	in := o.take(w)
	at := o.now
	if o.late && !w.closes.IsZero() && at.After(w.closes) {
		at = w.closes // it is what was too many in a window that closed after it
	}
	o.out = append(o.out, line(w.key, c, w.opened, w.closes, in, at))
}

// take takes the window's events out of it. Those that were too many are received anew, each
// at its time.
func (o *obvious) take(w *obviousWindow) []*obviousEvent {
	in, beyond := o.members(w)
	o.windows = slices.DeleteFunc(o.windows, func(other *obviousWindow) bool { return other == w })
	var rest *obviousWindow
	for _, e := range beyond {
		if rest == nil || !rest.closes.IsZero() && !rest.closes.After(e.received) {
			rest = &obviousWindow{key: w.key, start: w.start, opened: e.received}
			if o.Kind == "tumbling" {
				rest.opened = w.start
			}
			o.windows = append(o.windows, rest)
		}
		rest.events = append(rest.events, e)
		o.prolong(rest)
	}
	return in
}

// trigger claims the events of a key, whatever its windows lack.
func (o *obvious) trigger(key string) {
	var all []*obviousEvent
	for _, w := range slices.Clone(o.windows) {
		if w.key == key {
			o.age(w)
			all = append(all, o.take(w)...)
		}
	}
	if len(all) > 0 {
		o.out = append(o.out, line(key, store.Manual, time.Time{}, time.Time{}, all, o.now))
	}
}

// age removes what has left a sliding window.
func (o *obvious) age(w *obviousWindow) {
	if o.Kind == "sliding" {
		w.events = slices.DeleteFunc(w.events, func(e *obviousEvent) bool { return !e.received.Add(o.period()).After(o.now) })
	}
}

// line describes a claim: its window, why it ended, when, and its events by endpoint.
func line(key string, c store.Completion, opened, closes time.Time, events []*obviousEvent, at time.Time) string {
	var ids []string
	for _, e := range events {
		ids = append(ids, string(rune('a'+e.endpoint))+":"+e.id)
	}
	slices.Sort(ids)
	limits := ""
	if !closes.IsZero() {
		limits = clockOf(opened) + "–" + clockOf(closes) + " "
	}
	return cmp.Or(key, "-") + " " + string(c) + " " + limits + "at " + clockOf(at) + " " + strings.Join(ids, ",")
}

func clockOf(at time.Time) string { return at.UTC().Format("15:04:05") }
