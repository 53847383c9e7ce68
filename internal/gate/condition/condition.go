// Package condition decides which endpoints complete a window.
//
// A condition is text such as "(orders || refunds) && atLeast(2, stock, prices, customers)".
// A name stands for "the endpoint has as many events as it needs". There is no negation, so a
// further event never makes a complete window incomplete.
//
// The package is pure, and its work is bounded: a condition has at most MaxLength bytes and
// MaxDepth levels.
package condition

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Condition is a condition on the endpoints of a service, which are known by their index.
// It is immutable.
type Condition struct {
	root      *node
	endpoints []string // names, for the text
}

// node is an operator or a name.
type node struct {
	kind     kind
	endpoint int     // of a name
	least    int     // of atLeast
	args     []*node // of an operator
}

type kind int

const (
	isName kind = iota
	isAll
	isAny
	isAtLeast
)

// All returns the default condition: every one of these endpoints. names are those of all
// endpoints.
func All(required []int, names []string) *Condition {
	root := &node{kind: isAll}
	for _, i := range required {
		root.args = append(root.args, &node{kind: isName, endpoint: i})
	}
	return &Condition{root, names}
}

// Holds reports whether the condition holds. enough reports whether an endpoint has the
// events that it needs.
func (c *Condition) Holds(enough func(endpoint int) bool) bool { return c.root.holds(enough) }

func (n *node) holds(enough func(int) bool) bool {
	switch n.kind {
	case isName:
		return enough(n.endpoint)
	case isAll:
		for _, a := range n.args {
			if !a.holds(enough) {
				return false
			}
		}
		return true
	case isAny:
		for _, a := range n.args {
			if a.holds(enough) {
				return true
			}
		}
		return false
	default:
		count := 0
		for _, a := range n.args {
			if a.holds(enough) {
				count++
			}
		}
		return count >= n.least
	}
}

// Uses reports whether the condition names the endpoint.
func (c *Condition) Uses(endpoint int) bool { return c.root.uses(endpoint) }

func (n *node) uses(endpoint int) bool {
	return n.kind == isName && n.endpoint == endpoint ||
		slices.ContainsFunc(n.args, func(a *node) bool { return a.uses(endpoint) })
}

// Always reports whether the condition holds without any event.
func (c *Condition) Always() bool { return c.Holds(func(int) bool { return false }) }

// Never reports whether the condition does not hold whatever there is.
func (c *Condition) Never() bool { return !c.Holds(func(int) bool { return true }) }

const (
	// mostSets bounds the sets that Missing returns.
	mostSets = 8
	// mostCandidates bounds the sets that it keeps while it looks for them.
	mostCandidates = 64
)

// Missing returns what would complete the window: sets of endpoints, each of which makes the
// condition hold once its endpoints have all that they lack. lack[i] is the number of events
// that endpoint i lacks, 0 if it has enough. It returns nil if the condition holds, or never
// can.
//
// The sets with the fewest lacking events come first, then in the order of the endpoints.
// None contains another. There are at most 8. In a condition with more than a few dozen
// alternatives at one level, only the smallest of each level are followed, so the first set
// is small but need not be the smallest of all.
func (c *Condition) Missing(lack []int) [][]int {
	sets := c.root.missing(lack)
	if len(sets) > 0 && len(sets[0]) == 0 {
		return nil
	}
	return sets[:min(len(sets), mostSets)]
}

// missing returns the sets that complete the node, the smallest first. A node that holds has
// the empty set, and one that never can has none.
func (n *node) missing(lack []int) [][]int {
	switch n.kind {
	case isName:
		if lack[n.endpoint] == 0 {
			return [][]int{{}}
		}
		return [][]int{{n.endpoint}}
	case isAny:
		var sets [][]int
		for _, a := range n.args {
			sets = append(sets, a.missing(lack)...)
		}
		return smallest(sets, lack)
	case isAll:
		return combine(n.args, len(n.args), lack)
	default:
		return combine(n.args, n.least, lack)
	}
}

// combine returns the sets that complete least of the nodes. chosen[k] are those that
// complete k of the nodes seen so far.
func combine(args []*node, least int, lack []int) [][]int {
	chosen := make([][][]int, least+1)
	chosen[0] = [][]int{{}}
	for _, a := range args {
		options := a.missing(lack)
		for k := least; k > 0; k-- {
			var more [][]int
			for _, before := range chosen[k-1] {
				for _, option := range options {
					more = append(more, union(before, option))
				}
			}
			chosen[k] = smallest(append(more, chosen[k]...), lack)
		}
	}
	return chosen[least]
}

func union(a, b []int) []int {
	out := append(append(make([]int, 0, len(a)+len(b)), a...), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// smallest sorts the sets, drops those that contain another, and keeps mostCandidates.
func smallest(sets [][]int, lack []int) [][]int {
	weight := func(set []int) (sum int) {
		for _, i := range set {
			sum += lack[i]
		}
		return sum
	}
	slices.SortFunc(sets, func(a, b []int) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(len(a), len(b)), slices.Compare(a, b))
	})
	var kept [][]int
	for _, s := range sets {
		if len(kept) == mostCandidates {
			break
		}
		if !slices.ContainsFunc(kept, func(k []int) bool { return contains(s, k) }) {
			kept = append(kept, s)
		}
	}
	return kept
}

// contains reports whether every member of part is one of set. Both are sorted.
func contains(set, part []int) bool {
	for _, p := range part {
		if _, ok := slices.BinarySearch(set, p); !ok {
			return false
		}
	}
	return true
}

// String returns the condition as text that Parse reads.
func (c *Condition) String() string {
	var b strings.Builder
	c.root.write(&b, c.endpoints, false)
	return b.String()
}

func (n *node) write(b *strings.Builder, endpoints []string, nested bool) {
	operator := map[kind]string{isAll: " && ", isAny: " || ", isAtLeast: ", "}[n.kind]
	switch {
	case n.kind == isName:
		b.WriteString(spelled(endpoints[n.endpoint]))
		return
	case n.kind == isAtLeast:
		b.WriteString("atLeast(" + strconv.Itoa(n.least) + ", ")
	case nested:
		b.WriteString("(")
	}
	for i, a := range n.args {
		if i > 0 {
			b.WriteString(operator)
		}
		a.write(b, endpoints, n.kind != isAtLeast)
	}
	if n.kind == isAtLeast || nested {
		b.WriteString(")")
	}
}

// Words returns the condition in plain English.
func (c *Condition) Words() string {
	if len(c.root.args) == 0 && c.root.kind != isName {
		return "nothing"
	}
	return c.root.words(c.endpoints, false)
}

func (n *node) words(endpoints []string, nested bool) string {
	if n.kind == isName {
		return endpoints[n.endpoint]
	}
	parts := make([]string, len(n.args))
	for i, a := range n.args {
		parts[i] = a.words(endpoints, true)
	}
	switch {
	case len(parts) == 1 && n.kind != isAtLeast:
		return parts[0]
	case n.kind == isAtLeast:
		return "at least " + strconv.Itoa(n.least) + " of " + strings.Join(parts, ", ")
	case n.kind == isAny && nested:
		return "(" + strings.Join(parts, " or ") + ")"
	case n.kind == isAny:
		return strings.Join(parts, " or ")
	case nested:
		return "(" + strings.Join(parts, " and ") + ")"
	}
	return strings.Join(parts, " and ")
}
