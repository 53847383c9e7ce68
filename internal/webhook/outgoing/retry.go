package outgoing

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// Retry makes a delivery now, and resumes a paused target. A delivery that succeeded
// before is made once more, with the same id, after those that wait.
func (s *Service) Retry(ctx context.Context, id string, n int64) error {
	t, err := s.targets.find(ctx, id)
	if err != nil {
		return err
	}
	for {
		docs, err := s.docs.Get(ctx, deliveriesOf(t.ID), []string{deliveryID(n)}) // each time: another version may have replaced it
		if err != nil {
			return err
		}
		if docs[0] == nil || n >= t.Next { // a number from Next on is an earlier registration's
			return fault.New(fault.NotFound, "webhook %q has no delivery %d", id, n)
		}
		d, err := parseDelivery(*docs[0])
		if err != nil {
			return err
		}
		next := *t
		next.State, next.NextAttempt, next.Failures = Active, time.Time{}, 0
		writes := []store.Write{}
		if n < t.Head {
			if t.Waiting() >= t.most() {
				return fault.New(fault.Conflict, "webhook %q already has %d waiting deliveries, and no more can be kept: try again when some have been delivered", id, t.Waiting())
			}
			copied := *d
			copied.N, copied.State, copied.Attempts, copied.Tries, copied.rev, copied.CreatedAt = t.Next, Waits, nil, 0, "", s.now()
			writes = append(next.add(s.now()), copied.write(t))
		}
		_, err = s.docs.Commit(ctx, append(writes, next.write()))
		if err == nil {
			s.changed()
			s.deliverSoon(ctx)
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if t, err = s.targets.find(ctx, id); err != nil {
			return err
		}
	}
}
