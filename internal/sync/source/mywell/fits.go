package mywell

import (
	"fmt"
	"maps"
	"slices"
)

// OurWater's records may hold an object where LegacyMyWell has a text or a point. The server
// would drop it or store something else, and the next pull would bring that here. So such a
// record is refused, and the message says what to write instead.

// texts are the columns that are texts at LegacyMyWell.
var texts = []string{"name", "owner", "image", "mobile", "email"}

// fits returns an error that names the first field, by name, with an object that
// LegacyMyWell cannot hold.
func fits(ours map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		v := ours[name]
		_, isObject := v.(map[string]any)
		_, isList := v.([]any)
		switch {
		case name == "owner" && isObject:
			return fmt.Errorf("owner is an object, and LegacyMyWell has a text: write the owner's name in owner, and the rest, such as createdByUserId, in fields of its own")
		case slices.Contains(texts, name) && (isObject || isList):
			return fmt.Errorf("%s is no text, and LegacyMyWell has a text", name)
		case name == "coords" && v != nil && !isPoint(v):
			return fmt.Errorf("coords must be one point, with the numbers lat and lng, because LegacyMyWell has no other: write it as {\"lat\": 24.5, \"lng\": 74.2}")
		}
	}
	return nil
}

func isPoint(v any) bool {
	m, _ := v.(map[string]any)
	return isNumber(m["lat"]) && isNumber(m["lng"])
}
