package deployment

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
)

// Plan describes the change that Apply would make to a definition.
type Plan struct {
	ID     string  `json:"id"`
	Result Applied `json:"result"`
	// Changes are the fields that differ, where Result is Changed.
	Changes []FieldChange `json:"changes,omitempty"`
	Note    string        `json:"note,omitempty"`
}

// FieldChange is a field that a definition would change. Credentials are redacted, so a
// new credential in the place of an old one has Old equal to New.
type FieldChange struct {
	Field string `json:"field"`
	Old   any    `json:"old,omitempty"`
	New   any    `json:"new,omitempty"`
}

// sentAgain is the note of a plan for a server, which shows no credentials.
const sentAgain = "its credentials are sent again: the server does not show whether they are the same"

// changesOf returns the fields in which the definition differs from the old one.
func changesOf(old, def *definition.Sync) ([]FieldChange, error) {
	shownOld, shownDef := old.Redact(), def.Redact()
	var trees [4]any
	for i, d := range []*definition.Sync{old, def, &shownOld, &shownDef} {
		var err error
		if trees[i], err = tree(d); err != nil {
			return nil, err
		}
	}
	return differences("", trees, nil), nil
}

// differences adds the differences between the old and the new tree, which are the first
// two. The others are the same trees as they are shown.
func differences(path string, trees [4]any, to []FieldChange) []FieldChange {
	if reflect.DeepEqual(trees[0], trees[1]) {
		return to
	}
	var members [4]map[string]any
	for i, t := range trees {
		var ok bool
		if members[i], ok = t.(map[string]any); !ok {
			return append(to, FieldChange{path, trees[2], trees[3]})
		}
	}
	names := slices.Collect(maps.Keys(members[0]))
	for name := range members[1] {
		if _, both := members[0][name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		below := name
		if path != "" {
			below = path + "." + name
		}
		to = differences(below, [4]any{members[0][name], members[1][name], members[2][name], members[3][name]}, to)
	}
	return to
}

// faultsOf returns an error that lists the faults of a definition; nil if there is none.
func faultsOf(faults []fault.Detail) error {
	if len(faults) == 0 {
		return nil
	}
	e := &definition.Invalid{Faults: faults}
	return fmt.Errorf("the sync is not valid: %w", e)
}
