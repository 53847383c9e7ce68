package main

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Units of figures that do not depend on the machine's speed, so that they can be compared with
// those of another day. Rates and times have units of their own, such as "/s" and "ms".
const (
	times      = "×"          // of a floor, a peer or another size in the same run
	operations = "operations" // of a store
	kilobytes  = "KB"
	megabytes  = "MB"
	mebibytes  = "MiB"
)

// milliseconds returns a time as the figure of a row.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// goal says which figures are better, and what has to be reached.
type goal struct {
	less   bool // less is better
	bound  float64
	stated bool // there is no bound: the figure is only stated
}

func atLeast(bound float64) goal { return goal{bound: bound} }
func atMost(bound float64) goal  { return goal{bound: bound, less: true} }
func statedMore() goal           { return goal{stated: true} }
func statedLess() goal           { return goal{stated: true, less: true} }

func (g goal) met(v float64) bool {
	if g.less {
		return g.stated || v <= g.bound
	}
	return g.stated || v >= g.bound
}

// row is a line of the table. Rows of the same measure from several runs are folded into one.
type row struct {
	measure string
	value   float64
	unit    string
	goal    goal
	// also names what must hold besides the goal, and held reports whether it does.
	also string
	held bool

	// points are the figures of several sizes, and curve names what they show, for a plot.
	points []point
	curve  string

	words     string  // the figure with what it was computed from
	peak      float64 // peak resident memory in MB; negative if no process was measured
	runs      int
	low, high float64 // the least and the greatest figure of the runs
	failed    bool    // the row is an error of a section, and has no figure
}

// relative reports whether the figure does not depend on the machine's speed.
func (r row) relative() bool {
	return slices.Contains([]string{times, operations, kilobytes, megabytes, mebibytes}, r.unit)
}

// fold makes one row of all that have the same measure, in the order in which the measures first
// came. It is the row with the median figure; of an even number, the worse of the two in the
// middle. Its peak is the highest, and what else must hold must have held in each run.
func fold(rows []row) []row {
	var order []string
	of := make(map[string][]row)
	for _, r := range rows {
		if of[r.measure] == nil {
			order = append(order, r.measure)
		}
		of[r.measure] = append(of[r.measure], r)
	}
	folded := make([]row, 0, len(order))
	for _, measure := range order {
		list := of[measure]
		slices.SortStableFunc(list, func(a, b row) int { return cmp.Compare(a.value, b.value) })
		middle := (len(list) - 1) / 2
		if list[0].goal.less {
			middle = len(list) / 2
		}
		r := list[middle]
		r.runs, r.low, r.high = len(list), list[0].value, list[len(list)-1].value
		for _, each := range list {
			r.peak = max(r.peak, each.peak)
			r.held = r.held && each.held
		}
		folded = append(folded, r)
	}
	return folded
}

// reached says whether the goal is met, and nothing if there is none.
func (r row) reached() string {
	switch {
	case r.failed:
		return failure
	case !r.goal.met(r.value), r.also != "" && !r.held:
		return "missed"
	case r.goal.stated && r.also == "":
		return ""
	}
	return "reached"
}

// failure is the result of a row without a figure.
const failure = "failed"

func (r row) target() string {
	if r.failed {
		return "–"
	}
	text := "stated"
	if !r.goal.stated {
		sign := "≥ "
		if r.goal.less {
			sign = "≤ "
		}
		text = sign + strconv.FormatFloat(r.goal.bound, 'f', -1, 64) + unit(r.unit)
	}
	if r.also != "" {
		text += ", " + r.also
	}
	return text
}

func unit(u string) string {
	if u == "" || u == times || u == "/s" {
		return u
	}
	return " " + u
}

// figure writes a number with three digits, or more if it is a large one.
func figure(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
