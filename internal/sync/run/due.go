package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// errEnough ends a walk through documents.
var errEnough = errors.New("syncrun: the rest is not due")

// Due starts the runs of all syncs that are due, each due time once, however
// many processes ask, and takes over dead runs. It returns the runs started.
func (s *Service) Due(ctx context.Context) (started []*Run, takenOver int, err error) {
	if takenOver, err = s.TakeOver(ctx); err != nil {
		return nil, 0, err
	}
	started = []*Run{}
	now := s.clock()
	all := s.lookAtAll(now)
	err = s.each(ctx, syncs, func(doc store.Doc) error {
		if doc.Order > now.UnixMicro() && !all {
			return errEnough
		}
		d, err := parseStored(doc)
		if err != nil {
			return err
		}
		if d.due > now.UnixMicro() {
			return s.replan(ctx, d, now)
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
	return started, takenOver, err
}

// startDue starts the run of a sync that is due, and plans the next. It returns nil if
// the sync cannot be run now.
func (s *Service) startDue(ctx context.Context, d *Stored, now time.Time) (*Run, error) {
	due := time.UnixMicro(d.due).UTC()
	run, err := s.Start(ctx, d.Sync.ID, Start{Trigger: "schedule", once: d.onceFor(due)})
	switch {
	case err == nil:
	case fault.CodeOf(err) == fault.Unavailable:
		return nil, err // it stays due
	default:
		run = nil
		s.log.Warn("a sync that is due was not started", "syncId", d.Sync.ID, "due", due, "error", err)
	}
	d.LastScheduled = due
	d.plan(now)
	return run, s.replanned(ctx, d)
}

// onceFor is the id of the run for a due time, the same for every process that asks. A
// due time that was planned because a clock went back is another than the one that the
// clock, when it was ahead, has passed already: its run was too early.
func (d *Stored) onceFor(due time.Time) string {
	name := "due-" + due.Format("20060102T150405Z")
	if d.Replanned > 0 {
		name += fmt.Sprintf("-%d", d.Replanned)
	}
	return name
}

// replan gives a sync an earlier due time, if a clock that was ahead planned the one that
// it has: nothing would be due before that.
func (s *Service) replan(ctx context.Context, d *Stored, now time.Time) error {
	if next := d.Sync.next(now.Add(clock.Skew)); next.IsZero() || d.due <= next.UnixMicro() {
		return nil
	}
	d.plan(now)
	d.Replanned++
	return s.replanned(ctx, d)
}

func (s *Service) replanned(ctx context.Context, d *Stored) error {
	if _, err := s.docs.Commit(ctx, []store.Write{d.write()}); err != nil && !errors.Is(err, store.ErrConflict) {
		return fault.StoreAway(err)
	}
	return nil
}

// allEvery is how often the syncs are looked at that are not due.
const allEvery = 10 * time.Minute

// lookAtAll reports whether to look for due times that are too far ahead: the first time,
// now and then, and when the clock went back since.
func (s *Service) lookAtAll(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(s.lookedAtAll); !s.lookedAtAll.IsZero() && since >= 0 && since < allEvery {
		return false
	}
	s.lookedAtAll = now
	return true
}
