package outgoing

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// maxCalls is the most targets that are called at the same time. It is large because a
	// target that hangs needs no CPU.
	maxCalls = 64
	// inlineTime bounds the deliveries that a request tries before its answer, where the
	// process has no CPU after it.
	inlineTime = 4 * time.Second
)

// deliverSoon begins the deliveries that are due. Without CPU between requests, it
// delivers before it returns.
func (s *Service) deliverSoon(ctx context.Context) {
	if s.backgroundCPU {
		wake(s.kick)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inlineTime)
	defer cancel()
	if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("not every delivery that is due was tried: a sweep tries again", "error", err)
	}
}

// Stored begins to deliver the occurrences that were committed.
func (s *Service) Stored() {
	if s.backgroundCPU {
		wake(s.stored)
		return
	}
	s.deliverSoon(context.Background())
}

// wake makes the loop that waits for the channel look for work.
func wake(loop chan struct{}) {
	select {
	case loop <- struct{}{}:
	default:
	}
}

// Start makes the deliveries that are due, now and whenever one becomes due, until Close.
// Occurrences are fanned out by a loop of their own: however many there are, and however long
// their messages take to build, the calls of targets go on.
func (s *Service) Start() {
	s.running.Go(func() { s.repeat(s.kick, "not every delivery that is due was tried: trying again", s.callDue) })
	s.running.Go(func() {
		s.repeat(s.stored, "an occurrence was not given to its webhooks yet: trying again", s.fanOutStored)
	})
}

// repeat calls do now, each second, and whenever the channel wakes it, until Close.
func (s *Service) repeat(kick chan struct{}, failed string, do func(context.Context) error) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		if err := do(s.stopped); err != nil && s.stopped.Err() == nil {
			s.log.Warn(failed, "error", err)
		}
		select {
		case <-s.stopped.Done():
			return
		case <-kick:
		case <-t.C:
		}
	}
}

// callDue begins to call every target that is due, and does not wait for any: a target
// that hangs must not stop the loop for the others. Its lease prevents a second call.
func (s *Service) callDue(ctx context.Context) error {
	behind := s.fanOutBehind(ctx)
	due, err := s.targets.due(ctx, s.now())
	for _, t := range due {
		select {
		case s.calling <- struct{}{}:
		default:
			return behind // the end of a call wakes the loop, which then finds the rest
		}
		s.running.Go(func() {
			_, err := s.deliver(ctx, t)
			<-s.calling
			switch {
			case err == nil:
				wake(s.kick)
			case ctx.Err() == nil:
				s.log.Warn("a delivery was not made, or its outcome was not recorded: it will be tried again", "id", t.ID, "error", err)
			}
		})
	}
	return errors.Join(behind, err)
}

// fanOutStored makes one pass over the occurrences. While nobody subscribes, there are seldom
// any, and it looks seldom.
func (s *Service) fanOutStored(ctx context.Context) error {
	list, known := s.knownSubscriptions(ctx)
	now := s.now()
	if since := now.Sub(s.looked); known && len(list) == 0 && since >= 0 && since < knownFor {
		return nil
	}
	s.looked = now
	more, err := s.fanOutOccurrences(ctx)
	if more {
		wake(s.stored)
	}
	return err
}

// fanningOut is the name under which Sweep's fan-out of occurrences runs beside the calls
// of targets. No target has it.
const fanningOut = ""

// Sweep gives targets the deliveries that they lack, tries all deliveries that are due,
// and returns how many succeeded. A target that hangs delays Sweep, but no other target.
// Nor does the fan-out of occurrences, which runs meanwhile.
func (s *Service) Sweep(ctx context.Context) (delivered int, err error) {
	if err := s.fanOutBehind(ctx); err != nil {
		return 0, err
	}
	var left error // of the fan-out, which stops no calls
	defer func() { err = errors.Join(err, left) }()
	type outcome struct {
		target    string
		delivered int
		err       error
	}
	ended := make(chan outcome)
	calling := map[string]bool{}
	more := true // occurrences may be stored
	var due []*Target
	for {
		if !calling[fanningOut] && more && err == nil && ctx.Err() == nil {
			calling[fanningOut] = true
			go func() {
				again, err := s.fanOutOccurrences(ctx)
				more, left = again, errors.Join(left, err)
				ended <- outcome{target: fanningOut}
			}()
		}
		if len(due) == 0 && err == nil && ctx.Err() == nil {
			due, err = s.targets.due(ctx, s.now())
			due = slices.DeleteFunc(due, func(t *Target) bool { return calling[t.docID()] })
		}
		for len(due) > 0 && len(calling) < maxCalls && err == nil && ctx.Err() == nil {
			t := due[0]
			due = due[1:]
			calling[t.docID()] = true
			go func() {
				n, err := s.deliver(ctx, t)
				ended <- outcome{t.docID(), n, err}
			}()
		}
		if len(calling) == 0 {
			return delivered, errors.Join(err, ctx.Err())
		}
		o := <-ended
		delete(calling, o.target)
		delivered, err = delivered+o.delivered, errors.Join(err, o.err)
	}
}
