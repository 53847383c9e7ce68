package run

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
)

// errEnough ends a walk through definitions.
var errEnough = errors.New("run: the rest is not due")

// Due starts the runs of all syncs that are due, and takes over runs whose process died.
// It returns the runs that it started. A due time starts one run, however many processes
// ask.
func (s *Service) Due(ctx context.Context) (started []*Run, takenOver int, err error) {
	if takenOver, err = s.TakeOver(ctx); err != nil {
		return nil, 0, err
	}
	started = []*Run{}
	now := s.clock()
	all := s.lookAtAll(now)
	err = s.defs.ByDue(ctx, func(d *definition.Stored) error {
		if d.Due().After(now) {
			if !all {
				return errEnough
			}
			return s.defs.Replan(ctx, d, now)
		}
		run, err := s.startDue(ctx, d, now)
		if run != nil {
			started = append(started, run)
		}
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if all && err == nil { // otherwise the next call looks at the rest
		s.mu.Lock()
		s.lookedAtAll = now
		s.mu.Unlock()
	}
	return started, takenOver, err
}

// startDue starts the run of a sync that is due, and plans the next. It returns nil if
// the sync cannot be run now. A sync stays due only while the store cannot be reached: if
// it could not be started for another reason, trying again every tick would not help.
func (s *Service) startDue(ctx context.Context, d *definition.Stored, now time.Time) (*Run, error) {
	due := d.Due()
	run, err := s.Start(ctx, d.Sync.ID, Start{Trigger: "schedule", once: d.RunID(due)})
	switch {
	case err == nil:
	case fault.CodeOf(err) == fault.Unavailable:
		return nil, err
	default:
		run = nil
		s.log.Warn("a sync that is due was not started", "syncId", d.Sync.ID, "due", due, "error", err)
	}
	return run, s.defs.Started(ctx, d, due, now)
}

// allEvery is the time between two looks of Due at the syncs that are not due.
const allEvery = 10 * time.Minute

// lookAtAll reports whether to look for due times that are too far ahead, because a clock
// that was ahead planned them: the first time, now and then, and when the clock went back.
func (s *Service) lookAtAll(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := now.Sub(s.lookedAtAll)
	return s.lookedAtAll.IsZero() || since < 0 || since >= allEvery
}
