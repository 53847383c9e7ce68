package credential

import (
	"maps"
	"slices"
)

// Usual returns the names of headers that are not searched for words.
func Usual() []string { return slices.Sorted(maps.Keys(usual)) }
