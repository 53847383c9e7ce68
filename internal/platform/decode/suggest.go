package decode

import (
	"fmt"
	"strings"
)

// maxListed is the most fields that a message lists.
const maxListed = 16

// unknownField reports a field that is not known.
func (f *Faults) unknownField(path, name string, fields []Field) {
	message := ""
	if f.Unknown != nil {
		message = f.Unknown(path, name)
	}
	if message == "" && !f.more {
		message = meant(fields, name)
	}
	f.unreadable(Member(path, name), "%s", message)
}

// meant says which field may be meant by a name that is not known, or which there are.
func meant(fields []Field, name string) string {
	known := names(fields)
	switch best := Nearest(name, known); {
	case best != "":
		return fmt.Sprintf("unknown field; did you mean %q?", best)
	case len(fields) > maxListed:
		return "unknown field"
	}
	return "unknown field; the fields are " + strings.Join(known, ", ")
}

// Nearest returns the known name that a misspelt one probably means, and "" if none is near.
func Nearest(misspelt string, known []string) (best string) {
	least := len(misspelt)/3 + 2
	for _, name := range known {
		if len(misspelt) > 2*len(name) {
			continue
		}
		if n := distance(strings.ToLower(misspelt), strings.ToLower(name)); n < least {
			best, least = name, n
		}
	}
	return best
}

// distance returns the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
