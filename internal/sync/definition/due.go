package definition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// Due returns when the sync is due.
func (d *Stored) Due() time.Time { return time.UnixMicro(d.dueAt).UTC() }

// plan sets when the sync is due next.
func (d *Stored) plan(after time.Time) {
	d.dueAt = 0
	if next := d.Sync.next(after); !next.IsZero() {
		d.dueAt = next.UnixMicro()
	}
}

// RunID returns the id of the run for a due time. It is the same for every process, so
// that one run starts however many processes ask. A due time that was planned again
// because a clock went back gets another id: the clock, when it was ahead, has passed
// that due time already, and the run that it started then was too early.
func (d *Stored) RunID(due time.Time) string {
	name := "due-" + due.Format("20060102T150405Z")
	if d.Replanned > 0 {
		name += fmt.Sprintf("-%d", d.Replanned)
	}
	return name
}

// ByDue calls f with all scheduled definitions, the earliest due first. An error of f
// ends it and is returned.
func (s *Service) ByDue(ctx context.Context, f func(*Stored) error) error {
	listing := store.Listing{Collection: collection, ByOrder: true, Limit: 100}
	for {
		docs, err := s.docs.List(ctx, listing)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			d, err := parse(doc)
			if err != nil {
				return err
			}
			if err := f(d); err != nil {
				return err
			}
			listing.After = store.Position{Order: doc.Order, ID: doc.ID}
		}
		if len(docs) < listing.Limit {
			return nil
		}
	}
}

// Started notes that the run for a due time was started, and plans the next.
func (s *Service) Started(ctx context.Context, d *Stored, due, now time.Time) error {
	d.LastScheduled = due
	d.plan(now)
	return s.reschedule(ctx, d)
}

// Replan gives a sync an earlier due time if a clock that was ahead planned the one that
// it has. Without that the sync would not run before the clock had come that far.
func (s *Service) Replan(ctx context.Context, d *Stored, now time.Time) error {
	if next := d.Sync.next(now.Add(clock.Skew)); next.IsZero() || d.dueAt <= next.UnixMicro() {
		return nil
	}
	d.plan(now)
	d.Replanned++
	return s.reschedule(ctx, d)
}

// reschedule stores the due time. On a conflict another process was first: it has
// planned the same.
func (s *Service) reschedule(ctx context.Context, d *Stored) error {
	if _, err := s.docs.Commit(ctx, []store.Write{d.write()}); err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	return nil
}
