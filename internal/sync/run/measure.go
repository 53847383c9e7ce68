package run

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/meter"
)

// measure measures a run that has ended. A validation changes nothing, so its rows are not
// counted.
func (s *Service) measure(r *Run) { measure(s.o.Meter, r) }

func measure(m *meter.Meter, r *Run) {
	m.Took(meter.SyncRunDuration, r.FinishedAt.Sub(r.StartedAt), r.SyncID, string(r.State))
	if r.Method == Validate {
		return
	}
	for _, step := range r.Results {
		for i, n := range []int64{step.Counts.Created, step.Counts.Updated, step.Counts.Deleted, step.Counts.Unchanged, step.Counts.Rejected, step.Counts.Conflicts} {
			m.Add(meter.SyncRows, int(n), r.SyncID, string(step.Phase), rowResults[i])
		}
	}
}

// rowResults are the results of [meter.SyncRows], in the order in which measure adds them.
var rowResults = [...]string{"created", "updated", "deleted", "unchanged", "rejected", "conflict"}

// rejectsCounted bounds the rejects that a gauge counts.
const rejectsCounted = 10_000

// Gauges reads the gauges of the syncs with these ids: see [meter.Gauges].
func (s *Service) Gauges(ctx context.Context, ids []string, want func(*meter.Metric) bool, set meter.Set) error {
	if !want(meter.SyncCursorLag) {
		return nil
	}
	places, err := s.Places(ctx, ids)
	if err != nil {
		return err
	}
	now := s.clock()
	for i, p := range places {
		var behind time.Time
		for _, t := range p.Datatypes {
			if !t.PulledUpTo.IsZero() && (behind.IsZero() || t.PulledUpTo.Before(behind)) {
				behind = t.PulledUpTo
			}
		}
		if !behind.IsZero() {
			set(meter.SyncCursorLag, max(0, now.Sub(behind).Seconds()), ids[i])
		}
	}
	var errs []error
	for _, id := range ids {
		n, err := s.docs.CountDocs(ctx, newRejectList(s.docs, id).collection, rejectsCounted)
		if err == nil {
			set(meter.SyncRejects, float64(n), id)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
