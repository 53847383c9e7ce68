package window_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
)

// every is a condition that needs each endpoint.
type every int

func (n every) Holds(enough func(int) bool) bool {
	for i := range int(n) {
		if !enough(i) {
			return false
		}
	}
	return true
}

// hours is a calendar of whole hours.
func hours(t time.Time) (start, end time.Time) {
	start = t.Truncate(time.Hour)
	return start, start.Add(time.Hour)
}

// instants is a schedule of given instants, in order.
type instants []time.Time

func (is instants) Next(t time.Time) time.Time {
	for _, i := range is {
		if i.After(t) {
			return i
		}
	}
	return time.Time{}
}

func (is instants) Latest(t time.Time) (latest time.Time) {
	for _, i := range is {
		if !i.After(t) {
			latest = i
		}
	}
	return latest
}

func waiting(n int, minutes int) event.Waiting {
	w := event.Waiting{Ref: ref(n, time.Duration(minutes)*time.Minute)}
	w.At, w.First = w.ReceivedAt, w.ReceivedAt
	return w
}

// described returns the windows in short: what holds in minutes, and the ids by endpoint.
func described(ws []window.Window) []string {
	out := make([]string, len(ws))
	for i, w := range ws {
		closes := "-"
		if !w.Closes.IsZero() {
			closes = fmt.Sprint(int(w.Closes.Sub(t0).Minutes()))
		}
		out[i] = fmt.Sprintf("%s %d..%s", [...]string{"open", "complete", "closed", "over"}[w.Verdict], int(w.Opened.Sub(t0).Minutes()), closes)
		for _, m := range w.Members {
			out[i] += " "
			for _, p := range m {
				out[i] += fmt.Sprintf("%c", 'a'+p.ID[31]-'0')
			}
			if len(m) == 0 {
				out[i] += "-"
			}
		}
	}
	return out
}

func TestWindowsOfAKey(t *testing.T) {
	t.Parallel()
	at := func(minutes ...int) (ws []event.Waiting) {
		for i, m := range minutes {
			ws = append(ws, waiting(i, m))
		}
		return ws
	}
	other := func(minutes ...int) (ws []event.Waiting) {
		for i, m := range minutes {
			ws = append(ws, waiting(5+i, m))
		}
		return ws
	}
	two := []window.Rule{{Key: "x", Need: 1}, {Key: "y", Need: 1}}
	for _, tt := range []struct {
		name  string
		shape window.Shape
		x, y  []event.Waiting
		now   int
		want  []string
	}{
		{"sliding: an event that is a period old has left", window.Shape{Kind: window.Sliding, Period: time.Hour},
			at(0, 30), nil, 60, []string{"over 0..- a -", "open 30..- b -"}},
		{"sliding, complete", window.Shape{Kind: window.Sliding, Period: time.Hour},
			at(0, 30), other(40), 59, []string{"complete 0..- ab f"}},
		{"sliding, after a reset", window.Shape{Kind: window.Sliding, Period: time.Hour, Resets: instants{t0.Add(30 * time.Minute)}},
			at(0, 30, 31), nil, 40, []string{"over 0..- ab -", "open 31..- c -"}},
		{"anchored: open until its end", window.Shape{Kind: window.Anchored, Period: time.Hour},
			at(0, 59), nil, 59, []string{"open 0..60 ab -"}},
		{"anchored: an event at the end is in the next window", window.Shape{Kind: window.Anchored, Period: time.Hour},
			at(0, 59, 60), nil, 60, []string{"closed 0..60 ab -", "open 60..120 c -"}},
		{"anchored: a late look finds both windows", window.Shape{Kind: window.Anchored, Period: time.Hour},
			at(0, 100), other(130), 1000, []string{"closed 0..60 a -", "complete 100..160 b f"}},
		{"anchored, released at its close", window.Shape{Kind: window.Anchored, Period: time.Hour, AtClose: true},
			at(0), other(1), 59, []string{"open 0..60 a f"}},
		{"anchored, closed and complete", window.Shape{Kind: window.Anchored, Period: time.Hour, AtClose: true},
			at(0), other(1), 60, []string{"complete 0..60 a f"}},
		{"anchored: a reset empties it", window.Shape{Kind: window.Anchored, Period: time.Hour, Resets: instants{t0.Add(30 * time.Minute)}},
			at(0, 30, 31), other(59), 40, []string{"over 0..30 ab -", "complete 31..91 c f"}},
		{"anchored: what was closed before a reset stays closed", window.Shape{Kind: window.Anchored, Period: time.Hour, Resets: instants{t0.Add(60 * time.Minute)}},
			at(0, 30), nil, 300, []string{"closed 0..60 ab -"}},
		{"tumbling: intervals are beside one another", window.Shape{Kind: window.Tumbling, Interval: hours, Grace: 10 * time.Minute},
			at(59, 60), other(61), 65, []string{"open 0..70 a -", "complete 60..130 b f"}},
		{"tumbling: closed after its grace", window.Shape{Kind: window.Tumbling, Interval: hours, Grace: 10 * time.Minute},
			at(59, 60), nil, 70, []string{"closed 0..70 a -", "open 60..130 b -"}},
		{"session: each event prolongs it", window.Shape{Kind: window.Session, Period: 10 * time.Minute},
			at(0, 9, 18), other(), 27, []string{"open 0..28 abc -"}},
		{"session: a pause ends it", window.Shape{Kind: window.Session, Period: 10 * time.Minute},
			at(0, 9, 19), other(), 28, []string{"closed 0..19 ab -", "open 19..29 c -"}},
		{"session: at most so long", window.Shape{Kind: window.Session, Period: 10 * time.Minute, MaxPeriod: 15 * time.Minute},
			at(0, 9, 14, 15), other(), 15, []string{"closed 0..15 abc -", "open 15..25 d -"}},
	} {
		tt.shape.Rules, tt.shape.Complete = two, every(2)
		got := tt.shape.Windows([][]event.Waiting{tt.x, tt.y}, t0.Add(time.Duration(tt.now)*time.Minute))
		require.Equal(t, tt.want, described(got), tt.name)
	}
}

func TestWhatIsBeyondTheMostWaits(t *testing.T) {
	t.Parallel()
	s := window.Shape{Kind: window.Anchored, Period: time.Hour, Complete: every(1), AtClose: true, Rules: []window.Rule{{Key: "x", Need: 1, Max: 2}}}
	ws := [][]event.Waiting{{waiting(0, 0), waiting(1, 1), waiting(2, 2)}}
	require.Equal(t, []string{"open 0..60 ab"}, described(s.Windows(ws, t0.Add(59*time.Minute))))
	require.Equal(t, []string{"complete 0..60 ab", "open 2..62 c"}, described(s.Windows(ws, t0.Add(61*time.Minute))))
}

func TestASlotsFirstEventOpensTheSession(t *testing.T) {
	t.Parallel()
	s := window.Shape{Kind: window.Session, Period: 10 * time.Minute, MaxPeriod: 15 * time.Minute, Complete: every(2), Rules: []window.Rule{{Key: "x", Need: 1}, {Key: "y", Need: 1}}}
	renewed := waiting(0, 14)
	renewed.First = t0
	require.Equal(t, []string{"closed 0..15 a -"}, described(s.Windows([][]event.Waiting{{renewed}, nil}, t0.Add(15*time.Minute))))
}

func shapes() *rapid.Generator[window.Shape] {
	return rapid.Custom(func(r *rapid.T) window.Shape {
		s := window.Shape{
			Kind:     rapid.SampledFrom([]window.Kind{window.Anchored, window.Tumbling, window.Session}).Draw(r, "kind"),
			Period:   time.Duration(rapid.IntRange(1, 60).Draw(r, "period")) * time.Minute,
			Grace:    time.Duration(rapid.IntRange(0, 30).Draw(r, "grace")) * time.Minute,
			Interval: hours, AtClose: rapid.Bool().Draw(r, "at close"), Complete: every(2),
			Rules: []window.Rule{{Key: "x", Need: rapid.IntRange(1, 3).Draw(r, "need")}, {Key: "y", Need: 1}},
		}
		if rapid.Bool().Draw(r, "bounded") {
			s.MaxPeriod = s.Period + time.Duration(rapid.IntRange(0, 60).Draw(r, "more"))*time.Minute
		}
		if rapid.Bool().Draw(r, "most") {
			s.Rules[0].Max = s.Rules[0].Need + rapid.IntRange(0, 2).Draw(r, "extra")
		}
		if rapid.Bool().Draw(r, "resets") {
			var resets instants
			for _, m := range rapid.SliceOfN(rapid.IntRange(0, 400), 1, 3).Draw(r, "reset minutes") {
				resets = append(resets, t0.Add(time.Duration(m)*time.Minute))
			}
			slices.SortFunc(resets, time.Time.Compare)
			s.Resets = resets
		}
		return s
	})
}

func arrivals(r *rapid.T) [][]event.Waiting {
	ws := make([][]event.Waiting, 2)
	for i, m := range rapid.SliceOfN(rapid.IntRange(0, 300), 0, 12).Draw(r, "minutes") {
		w := waiting(i, m)
		ws[m%2] = append(ws[m%2], w)
	}
	for _, list := range ws {
		slices.SortFunc(list, event.Waiting.Compare)
	}
	return ws
}

// A punctual observer looks every minute, and takes what is not open out of the set. It
// has no rules of its own about late looks. What it takes at the close of windows must be
// what one late look finds.
func TestALateLookFindsWhatAPunctualOneDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := shapes().Draw(r, "shape")
		s.AtClose = true
		all := arrivals(r)
		var punctual []window.Window
		set := make([][]event.Waiting, 2)
		const end = 600
		for minute := range end + 1 {
			now := t0.Add(time.Duration(minute) * time.Minute)
			for i, list := range all {
				for _, w := range list {
					if w.At.Equal(now) {
						set[i] = append(set[i], w)
					}
				}
			}
			for _, w := range s.Windows(set, now) {
				if w.Verdict == window.Open {
					continue
				}
				punctual = append(punctual, w)
				for i := range set {
					set[i] = slices.DeleteFunc(slices.Clone(set[i]), func(p event.Waiting) bool {
						return slices.ContainsFunc(w.Members[i], func(m event.Waiting) bool { return m.ID == p.ID })
					})
				}
			}
		}
		late := s.Windows(all, t0.Add(end*time.Minute))
		got, want := described(late), described(punctual)
		slices.Sort(got)
		slices.Sort(want)
		require.Equal(r, want, got)
	})
}

// A sliding window is released when it becomes complete. If nobody looked then, a later
// look releases the same events.
func TestALateLookReleasesWhatAPunctualOneDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := shapes().Draw(r, "shape")
		s.Kind, s.AtClose = window.Sliding, false
		all := arrivals(r)
		released := func(ws []window.Window) (list []string) {
			for _, w := range ws {
				if w.Verdict == window.Complete {
					list = append(list, described([]window.Window{w})[0])
				}
			}
			return list
		}
		var punctual []string
		set := make([][]event.Waiting, 2)
		const end = 600
		for minute := range end + 1 {
			now := t0.Add(time.Duration(minute) * time.Minute)
			for i, list := range all {
				for _, w := range list {
					if w.At.Equal(now) {
						set[i] = append(set[i], w)
					}
				}
			}
			found := s.Windows(set, now)
			punctual = append(punctual, released(found)...)
			for _, w := range found {
				for i := range set {
					set[i] = slices.DeleteFunc(slices.Clone(set[i]), func(p event.Waiting) bool {
						return w.Verdict != window.Open && slices.ContainsFunc(w.Members[i], func(m event.Waiting) bool { return m.ID == p.ID })
					})
				}
			}
		}
		require.Equal(r, punctual, released(s.Windows(all, t0.Add(end*time.Minute))))
	})
}

// Each event is in exactly one window or beyond the most of an open one; no open window is
// past its time; no window is due whose events are all after Due.
func TestWindowsHoldEachEventOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := shapes().Draw(r, "shape")
		ws := arrivals(r)
		now := t0.Add(time.Duration(rapid.IntRange(300, 500).Draw(r, "now")) * time.Minute)
		seen := map[string]int{}
		open := false
		for _, w := range s.Windows(ws, now) {
			due := false
			for i, m := range w.Members {
				require.Len(r, m, w.Have[i])
				for _, p := range m {
					seen[p.ID]++
					due = due || !p.At.After(s.Due(now))
				}
			}
			switch w.Verdict {
			case window.Open:
				open = true
				require.True(r, now.Before(w.Closes))
			case window.Closed, window.Over:
				require.True(r, due, "Due misses a window")
			case window.Complete:
				require.True(r, due || !s.AtClose, "Due misses a window")
			}
		}
		for _, list := range ws {
			for _, p := range list {
				if open && s.Rules[0].Max > 0 {
					require.LessOrEqual(r, seen[p.ID], 1)
				} else {
					require.Equal(r, 1, seen[p.ID])
				}
			}
		}
	})
}

// The first events of each endpoint, as many as it needs, are enough to find a window open.
func TestAPrefixIsEnoughForOpen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := shapes().Draw(r, "shape")
		ws := arrivals(r)
		now := t0.Add(time.Duration(rapid.IntRange(300, 500).Draw(r, "now")) * time.Minute)
		prefix := make([][]event.Waiting, len(ws))
		cut := false
		for i, list := range ws {
			n := min(len(list), s.Rules[i].Need+rapid.IntRange(0, 2).Draw(r, "more"))
			prefix[i], cut = list[:n], cut || n < len(list)
		}
		found := s.Windows(prefix, now)
		if len(found) == 0 || slices.ContainsFunc(found, func(w window.Window) bool { return w.Verdict != window.Open }) {
			return // it must be read whole
		}
		whole := s.Windows(ws, now)
		require.NotEmpty(r, whole)
		if s.Kind != window.Tumbling { // its other intervals are looked at one by one
			require.Equal(r, window.Open, whole[0].Verdict)
		}
	})
}
