package decode

import (
	"fmt"
	"strings"
)

// maxListed is how many fields a message lists.
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
	best, least := "", len(name)/3+2
	for _, one := range fields {
		if len(name) > 2*len(one.Name) {
			continue
		}
		if n := distance(strings.ToLower(name), strings.ToLower(one.Name)); n < least {
			best, least = one.Name, n
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("unknown field; did you mean %q?", best)
	case len(fields) > maxListed:
		return "unknown field"
	}
	return "unknown field; the fields are " + strings.Join(names(fields), ", ")
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
