package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// bounds holds the values that a field may have.
type bounds struct {
	name     string
	min, max int
	names    []string // names of the values from min on; nil: the values have none
}

var fields = [5]bounds{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of the week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// field is the set of a field's values.
type field struct {
	bits uint64
	// every reports that the field has all values (* or ?). If neither day field has
	// all values, a date needs to match only one of them.
	every bool
	// star reports that the field begins with * or ?, perhaps with a step. For the hour
	// it makes the schedule an interval, see the package comment.
	star bool
}

func (f field) has(n int) bool { return f.bits&(1<<n) != 0 }

// read reads a list of ranges: *, 5, 1-5, MON-FRI, each perhaps with /step.
func (b bounds) read(text string) (field, error) {
	f := field{star: strings.HasPrefix(text, "*") || strings.HasPrefix(text, "?")}
	for part := range strings.SplitSeq(text, ",") {
		from, to, step, err := b.span(part)
		if err != nil {
			return f, fmt.Errorf("%s: %w", b.name, err)
		}
		if step == 1 && (part[0] == '*' || part[0] == '?') {
			f.every = true
		}
		for n := from; n <= to; n += step {
			f.bits |= 1 << n
		}
	}
	return f, nil
}

// span reads one range of a list. A single value with a step runs to the largest value.
func (b bounds) span(part string) (from, to, step int, err error) {
	values, by, stepped := strings.Cut(part, "/")
	if step = 1; stepped {
		if step, err = strconv.Atoi(by); err != nil || step < 1 || step > b.max-b.min+1 && step > 60 {
			return 0, 0, 0, fmt.Errorf("%q is not a step: a step is a number from 1 to 60", by)
		}
	}
	if values == "*" || values == "?" {
		return b.min, b.max, step, nil
	}
	low, high, ranged := strings.Cut(values, "-")
	if from, err = b.value(low); err != nil {
		return 0, 0, 0, err
	}
	switch {
	case ranged:
		if to, err = b.value(high); err != nil {
			return 0, 0, 0, err
		}
	case stepped:
		to = b.max
	default:
		to = from
	}
	if from > to {
		return 0, 0, 0, fmt.Errorf("%q ends before it begins", values)
	}
	return from, to, step, nil
}

// value reads a number or a name.
func (b bounds) value(text string) (int, error) {
	for i, name := range b.names {
		if strings.EqualFold(text, name) {
			return b.min + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < b.min || n > b.max {
		return 0, fmt.Errorf("%q is not one of %d to %d", text, b.min, b.max)
	}
	return n, nil
}
