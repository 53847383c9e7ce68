package run

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// Method says what a run does.
type Method string

// The methods. Validate is a dry run: it reports what a pull and a push would do.
const (
	Validate Method = "validate"
	DoPull   Method = "pull"
	DoPush   Method = "push"
	DoBoth   Method = "both"
)

// ParseMethod reads a method, in OurWater's spelling as well.
func ParseMethod(s string) (Method, bool) {
	switch s {
	case "pullFrom":
		return DoPull, true
	case "pushTo":
		return DoPush, true
	}
	m := Method(s)
	return m, slices.Contains([]Method{Validate, DoPull, DoPush, DoBoth}, m)
}

// State is the state of a run, or of a step of it.
type State string

// The states. A run begins Pending and ends Finished, Partial if rows were rejected,
// Failed or Cancelled.
const (
	Pending   State = "pending"
	Running   State = "running"
	Finished  State = "finished"
	Partial   State = "partial"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended reports whether the run is over.
func (s State) Ended() bool { return s != Pending && s != Running }

// Counts counts records, or rows at the source.
type Counts struct {
	Read      int64 `json:"read"` // rows of a pull, records of a push
	Created   int64 `json:"created"`
	Updated   int64 `json:"updated"`
	Deleted   int64 `json:"deleted"`
	Unchanged int64 `json:"unchanged"`
	Rejected  int64 `json:"rejected"`
	Conflicts int64 `json:"conflicts"`
}

func (c *Counts) add(o Counts) {
	c.Read += o.Read
	c.Created += o.Created
	c.Updated += o.Updated
	c.Deleted += o.Deleted
	c.Unchanged += o.Unchanged
	c.Rejected += o.Rejected
	c.Conflicts += o.Conflicts
}

// Step is one phase of a run for one datatype.
type Step struct {
	Phase    definition.Direction `json:"phase"` // pull or push
	Datatype string               `json:"datatype"`
	// Settle says that the step finds out what became of rows that an earlier run
	// sent without getting an answer. A pull before that would take them for new rows,
	// and make a second record of each.
	Settle   bool     `json:"settle,omitempty"`
	State    State    `json:"state"`
	Counts   Counts   `json:"counts"`
	Progress Progress `json:"progress"`
	Message  string   `json:"message,omitempty"` // of a validation: how many rows are valid, in OurWater's words
	// Waits counts the pauses that the source asked for since the step last made progress.
	Waits        int           `json:"waits,omitempty"`
	CursorBefore source.Cursor `json:"cursorBefore,omitzero"`
	CursorAfter  source.Cursor `json:"cursorAfter,omitzero"`
	// Resume and Position are the places where the step continues after its last checkpoint.
	Resume   json.RawMessage `json:"resume,omitempty"`
	Position *store.Position `json:"position,omitempty"`
}

// Shown returns the run without the places where its pulls continue. Such a place may be a
// URL in which the source repeats a credential, and callers have no use for it.
func (r *Run) Shown() *Run {
	out := *r
	out.Results = slices.Clone(r.Results)
	for i, step := range out.Results {
		if step.Resume != nil {
			s := *step
			s.Resume = nil
			out.Results[i] = &s
		}
	}
	return &out
}

// Progress counts in Unit. Total is 0 while unknown.
type Progress struct {
	Done  int64       `json:"done"`
	Total int64       `json:"total,omitempty"`
	Unit  source.Unit `json:"unit,omitempty"` // rows, bytes or, of a push, records; "" before the first page
}

// unitRecords is the unit of a push, which looks at the records of the store.
const unitRecords source.Unit = "records"

// Run is one execution of a sync.
type Run struct {
	ID           string    `json:"id"`
	SyncID       string    `json:"syncId"`
	Method       Method    `json:"method"`
	State        State     `json:"state"`
	Trigger      string    `json:"trigger"` // request, schedule, message, webhook, command
	EventID      string    `json:"eventId,omitempty"`
	StartedAt    time.Time `json:"startedAt"`
	UpdatedAt    time.Time `json:"updatedAt"`
	FinishedAt   time.Time `json:"finishedAt,omitzero"`
	Invocations  int       `json:"invocations"` // calls of Work, one after the other
	AllowDeletes bool      `json:"allowDeletes,omitempty"`
	Retry        bool      `json:"retry,omitempty"` // of rejects
	// Credentials reports that the run was started with credentials of its own.
	Credentials bool `json:"credentials,omitempty"`
	// Traceparent names the span that asked for the run, if one was recorded. Whichever
	// process works on the run continues its trace.
	Traceparent string          `json:"traceparent,omitempty"`
	Counts      Counts          `json:"counts"`
	Results     []*Step         `json:"results"`
	Warnings    []string        `json:"warnings"`
	Errors      []string        `json:"errors"`
	Plan        []PlannedChange `json:"plan,omitempty"` // of a validation, at most maxPlan changes

	waits bool // for another run to end; see queue.go
}

// PlannedChange is a change that a run would make, as a validation found it.
type PlannedChange struct {
	Phase    definition.Direction `json:"phase"`
	Datatype string               `json:"datatype"`
	ID       string               `json:"id,omitempty"`
	Line     int64                `json:"line,omitempty"`
	Action   string               `json:"action"` // create, update, delete, reject, conflict
	Fields   []FieldChange        `json:"fields,omitempty"`
	Reason   string               `json:"reason,omitempty"`
}

// FieldChange is one field of a PlannedChange.
type FieldChange struct {
	Field string `json:"field"`
	Old   any    `json:"old,omitempty"`
	New   any    `json:"new,omitempty"`
	Base  any    `json:"base,omitempty"` // of a conflict
}

const (
	maxPlan     = 200
	maxWarnings = 100
)

func (r *Run) warn(message string) {
	if len(r.Warnings) < maxWarnings && !slices.Contains(r.Warnings, message) {
		r.Warnings = append(r.Warnings, message)
	}
}

// end ends the run, and with it the step that is under way.
func (r *Run) end(state State, now time.Time) {
	r.State, r.UpdatedAt, r.FinishedAt = state, now, now
	for _, s := range r.Results {
		if s.State == Running {
			s.State = state
		}
	}
}

func (r *Run) sum() {
	r.Counts = Counts{}
	for _, s := range r.Results {
		r.Counts.add(s.Counts)
	}
}
