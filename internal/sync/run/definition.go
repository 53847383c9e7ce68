package run

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/schedule"
	"github.com/headgate/headgate/internal/sync/source"
)

// Direction is what a sync does with the records of both sides.
type Direction string

// The directions.
const (
	Pull Direction = "pull"
	Push Direction = "push"
	Both Direction = "both"
)

// Rule decides where both sides changed the same field of a record.
type Rule string

// The rules.
const (
	SourceWins Rule = "source"
	StoreWins  Rule = "store"
	Newest     Rule = "newest" // whichever changed later
	Manual     Rule = "manual" // a person decides; until then the store keeps its value
)

// Sync is a sync's definition: what people write.
type Sync struct {
	ID          string                   `json:"id,omitempty"`
	OrgID       string                   `json:"orgId"`
	Name        string                   `json:"name,omitempty"`
	IsOneTime   bool                     `json:"isOneTime,omitempty"`
	Frequency   string                   `json:"frequency,omitempty"` // hourly, daily, weekly, or cron; "": only when asked
	TimeZone    string                   `json:"timeZone,omitempty"`  // of Frequency; "" is UTC
	Type        Direction                `json:"type"`
	Datasource  source.Datasource        `json:"datasource"`
	Mapping     map[string]*mapping.Type `json:"mapping,omitempty"` // by datatype
	Conflict    Rule                     `json:"conflict,omitempty"`
	MaxRejected *float64                 `json:"maxRejected,omitempty"` // share of rows, 0 to 1; default 0.2
	// MaxDeletes is how many records a run may delete unasked, of every 100;
	// ten it always may. Default 10.
	MaxDeletes *float64 `json:"maxDeletes,omitempty"`
}

const (
	defaultMaxRejected = 0.2
	defaultMaxDeletes  = 10
)

func (s *Sync) maxRejected() float64 {
	if s.MaxRejected == nil {
		return defaultMaxRejected
	}
	return *s.MaxRejected
}

func (s *Sync) maxDeletes() float64 {
	if s.MaxDeletes == nil {
		return defaultMaxDeletes
	}
	return *s.MaxDeletes
}

func (s *Sync) rule() Rule {
	if s.Conflict == "" {
		return SourceWins
	}
	return s.Conflict
}

func (s *Sync) pulls() bool  { return s.Type == Pull || s.Type == Both }
func (s *Sync) pushes() bool { return s.Type == Push || s.Type == Both }

// Invalid is a definition's faults, all of them.
type Invalid struct{ Faults []source.Fault }

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = strings.TrimPrefix(f.String(), ": ")
	}
	return strings.Join(lines, "; ")
}

func invalid(faults ...source.Fault) error {
	e := &Invalid{faults}
	f := fault.Wrap(fault.Invalid, e, "the sync is not valid: %s", e.Error())
	for _, one := range faults {
		f.Details = append(f.Details, fault.Detail(one))
	}
	return f
}

// Decode reads a definition in any of its forms: a Sync, {"data": Sync}, or
// DataCollect's {"externalSync": {…}}. Unknown fields are faults.
func Decode(body []byte) (*Sync, error) {
	var form struct {
		Data         json.RawMessage `json:"data"`
		ExternalSync json.RawMessage `json:"externalSync"`
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return nil, invalid(jsonFault("", body, err))
	}
	switch {
	case form.ExternalSync != nil:
		return decodeExternal(body)
	case form.Data != nil:
		var only struct {
			Data json.RawMessage `json:"data"`
		}
		if err := strict(body, &only); err != nil {
			return nil, invalid(jsonFault("", body, err))
		}
		body = only.Data
	}
	s := new(Sync)
	if err := strict(body, s); err != nil {
		return nil, invalid(jsonFault("", body, err))
	}
	return s, nil
}

// decodeExternal turns DataCollect's configuration into a sync of its events in
// both directions, in the organisation "default" unless it says otherwise.
func decodeExternal(body []byte) (*Sync, error) {
	var e struct {
		ID           string            `json:"id"`
		OrgID        string            `json:"orgId"`
		Name         string            `json:"name"`
		Frequency    string            `json:"frequency"`
		TimeZone     string            `json:"timeZone"`
		ExternalSync source.Datasource `json:"externalSync"`
	}
	if err := strict(body, &e); err != nil {
		return nil, invalid(jsonFault("", body, err))
	}
	if e.OrgID == "" {
		e.OrgID = "default"
	}
	return &Sync{
		ID: e.ID, OrgID: e.OrgID, Name: e.Name, Frequency: e.Frequency, TimeZone: e.TimeZone,
		Type: Both, Datasource: e.ExternalSync,
	}, nil
}

func strict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// jsonFault says where in the body decoding failed.
func jsonFault(path string, body []byte, err error) source.Fault {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := body[:min(int(syntax.Offset), len(body))]
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n') - 1
		return source.Fault{Path: path, Message: fmt.Sprintf("not JSON: line %d, column %d: %s", line, column, syntax)}
	}
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return source.Fault{Path: typed.Field, Message: fmt.Sprintf("a JSON %s does not belong here", typed.Value)}
	}
	message := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(message, "unknown field "); ok {
		return source.Fault{Path: path + strings.Trim(name, `"`), Message: "is not a field that is known here"}
	}
	return source.Fault{Path: path, Message: message}
}

// idPattern is what an id may be, so that it needs no escaping anywhere.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$`)

// Check returns all faults of the definition.
func (s *Sync) Check(kinds source.Registry) []source.Fault {
	var faults []source.Fault
	add := func(path, format string, args ...any) {
		faults = append(faults, source.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if s.ID != "" && !idPattern.MatchString(s.ID) {
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
	switch s.rule() {
	case SourceWins, StoreWins, Newest, Manual:
	default:
		add("conflict", "%q is none of source, store, newest, manual", s.Conflict)
	}
	if err := s.zone(); err != nil {
		add("timeZone", "%s", err)
	} else if _, err := s.schedule(); err != nil {
		add("frequency", "%s", err)
	}
	if s.IsOneTime && s.Frequency != "" {
		add("frequency", "a one-time sync has none")
	}
	if m := s.maxRejected(); !(m >= 0 && m <= 1) {
		add("maxRejected", "must be between 0 and 1")
	}
	if m := s.maxDeletes(); !(m >= 0 && m <= 100) {
		add("maxDeletes", "must be between 0 and 100, a percentage")
	}
	for _, f := range kinds.Check(s.Datasource) {
		add("datasource."+f.Path, "%s", f.Message)
	}
	return append(faults, s.checkTypes(kinds)...)
}

func (s *Sync) checkTypes(kinds source.Registry) (faults []source.Fault) {
	types := s.datatypes(kinds)
	if len(types) == 0 {
		faults = append(faults, source.Fault{
			Path: "datasource.selectedDatatypes", Message: "is required: the types of record to sync, such as reading",
		})
	}
	for i, t := range types {
		if t == "" || len(t) > 256 {
			faults = append(faults, source.Fault{Path: fmt.Sprintf("datasource.selectedDatatypes[%d]", i), Message: "must have 1 to 256 bytes"})
		} else if slices.Contains(types[:i], t) {
			faults = append(faults, source.Fault{Path: fmt.Sprintf("datasource.selectedDatatypes[%d]", i), Message: fmt.Sprintf("%q is there twice", t)})
		}
	}
	for _, t := range sortedKeys(s.Mapping) {
		if len(s.Datasource.SelectedDatatypes) > 0 && !slices.Contains(types, t) {
			faults = append(faults, source.Fault{Path: "mapping." + t, Message: "is not one of datasource.selectedDatatypes"})
		}
	}
	k, known := kinds[s.Datasource.Type]
	if !known {
		return faults
	}
	for _, t := range types {
		m, wrong := mapping.New(t, s.Mapping[t], defaultsOf(k, t))
		for _, f := range wrong {
			faults = append(faults, source.Fault{Path: "mapping." + t + "." + f.Path, Message: f.Message})
		}
		if len(wrong) == 0 && s.rule() == Newest && s.Type == Both && m.Spec().CursorTime == "" {
			faults = append(faults, source.Fault{
				Path: "conflict", Message: fmt.Sprintf("newest needs to know when a row changed: mapping.%s.cursor.time names the column", t),
			})
		}
	}
	return faults
}

func defaultsOf(k source.Kind, datatype string) source.Spec {
	if k.Defaults == nil {
		return source.Spec{Datatype: datatype}
	}
	return k.Defaults(datatype)
}

// datatypes are those selected, or mapped, or the only one that the kind has.
func (s *Sync) datatypes(kinds source.Registry) []string {
	switch {
	case len(s.Datasource.SelectedDatatypes) > 0:
		return s.Datasource.SelectedDatatypes
	case len(s.Mapping) > 0:
		return sortedKeys(s.Mapping)
	default:
		return kinds[s.Datasource.Type].Datatypes
	}
}

func (s *Sync) zone() error {
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		return fmt.Errorf("%q is not the name of a time zone, such as Asia/Kolkata", s.TimeZone)
	}
	return nil
}

// schedules are the names that people use instead of cron.
var schedules = map[string]string{"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 0"}

// schedule is nil for a sync that runs only when asked.
func (s *Sync) schedule() (*schedule.Schedule, error) {
	if s.Frequency == "" {
		return nil, nil
	}
	expression := cmp.Or(schedules[s.Frequency], s.Frequency)
	if strings.HasPrefix(expression, "@") || strings.HasPrefix(expression, "TZ=") || strings.HasPrefix(expression, "CRON_TZ=") {
		return nil, errors.New("must be hourly, daily, weekly or five fields of cron; the zone goes into timeZone")
	}
	if err := s.zone(); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(s.TimeZone) // "" is UTC
	if err != nil {
		return nil, err
	}
	parsed, err := schedule.Parse(expression, zone)
	if err != nil {
		return nil, fmt.Errorf("must be hourly, daily, weekly or five fields of cron: %w", err)
	}
	return parsed, nil
}

// next is when the sync is due after the instant; zero if it has no schedule.
func (s *Sync) next(after time.Time) time.Time {
	schedule, err := s.schedule()
	if err != nil || schedule == nil {
		return time.Time{}
	}
	return schedule.Next(after).UTC()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
