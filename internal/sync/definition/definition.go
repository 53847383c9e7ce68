// Package definition knows what people write to define a sync: it reads the JSON,
// finds its faults, keeps it in the store and shows it without its credentials.
//
// Invariants:
//
//   - A stored definition has no fault that Check knows.
//   - No credential is shown, and none is lost: a definition that is sent back as it
//     was shown keeps the credentials that it had.
//   - A credential that was shown redacted goes to no other system, and to no place
//     where it would be shown.
//   - A definition does not change under a run that is at work.
//   - Requests do not change what the configuration declares, and nothing is deleted
//     because the configuration declares it no longer.
//
// On failure nothing is written: a definition and what the sync remembers of its
// source change in one commit.
package definition

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/schedule"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// Direction says which way records go.
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
	Newest     Rule = "newest" // the later change wins
	Manual     Rule = "manual" // a person decides; until then the store keeps its value
)

// Sync is a sync's definition, as people write it.
type Sync struct {
	ID          string                   `json:"id,omitempty"`
	OrgID       string                   `json:"orgId"`
	Name        string                   `json:"name,omitempty"`
	IsOneTime   bool                     `json:"isOneTime,omitempty"`
	Frequency   string                   `json:"frequency,omitempty"` // hourly, daily, weekly, or cron; "": runs on request only
	TimeZone    string                   `json:"timeZone,omitempty"`  // of Frequency; "" is UTC
	Type        Direction                `json:"type"`
	Datasource  source.Datasource        `json:"datasource"`
	Mapping     map[string]*mapping.Type `json:"mapping,omitempty"` // by datatype
	Conflict    Rule                     `json:"conflict,omitempty"`
	MaxRejected *float64                 `json:"maxRejected,omitempty"` // share of rows, 0 to 1; default 0.2
	// LastSyncDate is the time from which the first run takes changes of both sides, in
	// milliseconds since 1970, as OurWater writes it, or as a text of RFC 3339. nil or 0: all.
	LastSyncDate any `json:"lastSyncDate,omitempty"`
	// MaxDeletes is the percentage of the records that a run may delete without being told
	// to; it may always delete ten. Default 10.
	MaxDeletes *float64 `json:"maxDeletes,omitempty"`
}

const (
	defaultMaxRejected = 0.2
	defaultMaxDeletes  = 10
)

// FirstCursor returns the time of LastSyncDate; zero if there is none.
func (s *Sync) FirstCursor() (time.Time, error) {
	wrong := errors.New("must be milliseconds since 1970, or a text such as 2026-01-31T00:00:00Z")
	switch v := s.LastSyncDate.(type) {
	case nil:
		return time.Time{}, nil
	case string:
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return time.Time{}, wrong
		}
		return t.UTC(), nil
	case json.Number:
		ms, err := v.Int64()
		if err != nil || ms < 0 || ms > maxMilliseconds {
			return time.Time{}, wrong
		}
		return ofMilliseconds(ms), nil
	case float64: // as the store's JSON is decoded
		if v < 0 || v > maxMilliseconds {
			return time.Time{}, wrong
		}
		return ofMilliseconds(int64(v)), nil
	}
	return time.Time{}, wrong
}

// maxMilliseconds is in the year 9999.
const maxMilliseconds = 253_402_300_799_999

func ofMilliseconds(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// RejectLimit returns the share of rows, 0 to 1, above which rejects fail a run.
func (s *Sync) RejectLimit() float64 {
	if s.MaxRejected == nil {
		return defaultMaxRejected
	}
	return *s.MaxRejected
}

// DeleteLimit returns how many of the records a run may delete without being told to.
func (s *Sync) DeleteLimit(records int) int64 {
	return max(10, int64(float64(records)*s.deletePercentage()/100))
}

func (s *Sync) deletePercentage() float64 {
	if s.MaxDeletes == nil {
		return defaultMaxDeletes
	}
	return *s.MaxDeletes
}

// ConflictRule returns the sync's rule; SourceWins unless it says otherwise.
func (s *Sync) ConflictRule() Rule {
	if s.Conflict == "" {
		return SourceWins
	}
	return s.Conflict
}

// Pulls reports whether runs of the sync may pull.
func (s *Sync) Pulls() bool { return s.Type == Pull || s.Type == Both }

// Pushes reports whether runs of the sync may push.
func (s *Sync) Pushes() bool { return s.Type == Push || s.Type == Both }

// Datatypes returns the types of record that the sync is about: those that it
// selects, else those that it maps, else the only one that its kind of source has.
func (s *Sync) Datatypes(kinds source.Registry) []string {
	switch {
	case len(s.Datasource.SelectedDatatypes) > 0:
		return s.Datasource.SelectedDatatypes
	case len(s.Mapping) > 0:
		return slices.Sorted(maps.Keys(s.Mapping))
	default:
		kind, _ := kinds.Of(s.Datasource)
		return kind.Datatypes
	}
}

// Mapper returns the mapper of one of the sync's datatypes. Invalid with all faults:
// a definition that was stored by an older version can have faults.
func (s *Sync) Mapper(kinds source.Registry, datatype string) (*mapping.Mapper, error) {
	kind, _ := kinds.Of(s.Datasource)
	m, faults := s.compile(kind, datatype)
	if len(faults) > 0 {
		return nil, invalidSync(faults...)
	}
	return m, nil
}

func (s *Sync) compile(k source.Kind, datatype string) (*mapping.Mapper, []fault.Detail) {
	defaults := source.Spec{Datatype: datatype}
	if k.Defaults != nil {
		defaults = k.Defaults(datatype)
	}
	return mapping.New(datatype, s.Mapping[datatype], defaults)
}

// Invalid holds all faults of a definition.
type Invalid struct{ Faults []fault.Detail }

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "; ")
}

func invalidSync(faults ...fault.Detail) error {
	e := &Invalid{faults}
	f := fault.Wrap(fault.Invalid, e, "the sync is not valid: %s", e.Error())
	f.Details = faults
	return f
}

// frequencies are the names that people use instead of cron.
var frequencies = map[string]string{"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 0"}

// schedule returns nil for a sync that runs on request only.
func (s *Sync) schedule() (*schedule.Schedule, error) {
	if s.Frequency == "" {
		return nil, nil
	}
	expression := cmp.Or(frequencies[s.Frequency], s.Frequency)
	if strings.HasPrefix(expression, "@") || strings.HasPrefix(expression, "TZ=") || strings.HasPrefix(expression, "CRON_TZ=") {
		return nil, errors.New("must be hourly, daily, weekly or five fields of cron; the zone goes into timeZone")
	}
	zone, err := s.zone()
	if err != nil {
		return nil, err
	}
	parsed, err := schedule.Parse(expression, zone)
	if err != nil {
		return nil, fmt.Errorf("must be hourly, daily, weekly or five fields of cron: %w", err)
	}
	return parsed, nil
}

// zone refuses "Local": a schedule must not depend on the machine that a run is on.
func (s *Sync) zone() (*time.Location, error) {
	zone, err := time.LoadLocation(s.TimeZone) // "" is UTC
	if err != nil || s.TimeZone == "Local" {
		return nil, fmt.Errorf("%q is not the name of a time zone, such as Asia/Kolkata", s.TimeZone)
	}
	return zone, nil
}

// next returns when the sync is due after the instant; zero if it has no schedule.
func (s *Sync) next(after time.Time) time.Time {
	schedule, err := s.schedule()
	if err != nil || schedule == nil {
		return time.Time{}
	}
	return schedule.Next(after).UTC()
}
