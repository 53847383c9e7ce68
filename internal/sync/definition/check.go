package definition

import (
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// Check returns all faults of the definition.
func (s *Sync) Check(kinds source.Registry) []fault.Detail {
	var faults []fault.Detail
	add := func(path, format string, args ...any) {
		faults = append(faults, fault.Detail{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if s.ID != "" && !config.PlainID(s.ID) {
		add("id", "must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ -, beginning with a letter or digit")
	}
	if s.OrgID == "" {
		add("orgId", "is required")
	} else if len(s.OrgID) > 256 {
		add("orgId", "must have at most 256 bytes")
	}
	switch s.Type {
	case Pull, Push, Both:
	case "":
		add("type", "is required: pull, push or both")
	default:
		add("type", "%q is none of pull, push, both", s.Type)
	}
	switch s.ConflictRule() {
	case SourceWins, StoreWins, Newest, Manual:
	default:
		add("conflict", "%q is none of source, store, newest, manual", s.Conflict)
	}
	if _, err := s.zone(); err != nil {
		add("timeZone", "%s", err)
	} else if _, err := s.schedule(); err != nil {
		add("frequency", "%s", err)
	}
	if _, err := s.FirstCursor(); err != nil {
		add("lastSyncDate", "%s", err)
	}
	if s.IsOneTime && s.Frequency != "" {
		add("frequency", "must be empty: the sync is a one-time sync")
	}
	if m := s.RejectLimit(); !(m >= 0 && m <= 1) { // so that NaN is a fault
		add("maxRejected", "must be between 0 and 1")
	}
	if m := s.deletePercentage(); !(m >= 0 && m <= 100) {
		add("maxDeletes", "must be between 0 and 100, a percentage")
	}
	for _, f := range kinds.Check(s.Datasource) {
		add("datasource."+f.Path, "%s", f.Message)
	}
	return append(faults, s.checkTypes(kinds)...)
}

// CheckIn returns all faults that the definition has in an environment: those of Check,
// and references to credentials that definitions may not use there.
func (s *Sync) CheckIn(kinds source.Registry, env source.Env) []fault.Detail {
	faults := s.Check(kinds)
	for _, f := range env.CheckReferences(s.Datasource) {
		faults = append(faults, fault.Detail{Path: "datasource." + f.Path, Message: f.Message})
	}
	return faults
}

func (s *Sync) checkTypes(kinds source.Registry) (faults []fault.Detail) {
	types := s.Datatypes(kinds)
	if len(types) == 0 {
		faults = append(faults, fault.Detail{
			Path: "datasource.selectedDatatypes", Message: "is required: the types of record to sync, such as reading",
		})
	}
	for i, t := range types {
		if t == "" || len(t) > 256 {
			faults = append(faults, fault.Detail{Path: fmt.Sprintf("datasource.selectedDatatypes[%d]", i), Message: "must have 1 to 256 bytes"})
		} else if slices.Contains(types[:i], t) {
			faults = append(faults, fault.Detail{Path: fmt.Sprintf("datasource.selectedDatatypes[%d]", i), Message: fmt.Sprintf("%q is there twice", t)})
		}
	}
	for _, t := range slices.Sorted(maps.Keys(s.Mapping)) {
		if len(s.Datasource.SelectedDatatypes) > 0 && !slices.Contains(types, t) {
			faults = append(faults, fault.Detail{Path: "mapping." + t, Message: "is not one of datasource.selectedDatatypes"})
		}
	}
	k, known := kinds.Of(s.Datasource)
	if !known {
		return faults
	}
	for _, t := range types {
		m, wrong := s.compile(k, t)
		for _, f := range wrong {
			faults = append(faults, fault.Detail{Path: "mapping." + t + "." + f.Path, Message: f.Message})
		}
		if len(wrong) == 0 && s.ConflictRule() == Newest && s.Type == Both && m.Spec().CursorTime == "" {
			faults = append(faults, fault.Detail{
				Path: "conflict", Message: fmt.Sprintf("newest needs to know when a row changed: mapping.%s.cursor.time names the column", t),
			})
		}
	}
	return faults
}
