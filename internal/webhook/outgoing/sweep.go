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
		s.wake()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inlineTime)
	defer cancel()
	if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("not every delivery that is due was tried: a sweep tries again", "error", err)
	}
}

// wake makes Start's loop look for targets that are due.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Start makes the deliveries that are due, now and whenever one becomes due, until Close.
func (s *Service) Start() {
	s.running.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			if err := s.callDue(s.stopped); err != nil && s.stopped.Err() == nil {
				s.log.Warn("not every delivery that is due was tried: trying again", "error", err)
			}
			select {
			case <-s.stopped.Done():
				return
			case <-s.kick:
			case <-t.C:
			}
		}
	})
}

// callDue begins to call every target that is due, and does not wait for any: a target
// that hangs must not stop the loop for the others. Its lease prevents a second call.
func (s *Service) callDue(ctx context.Context) error {
	behind := s.fanOutBehind(ctx)
	if list, known := s.knownSubscriptions(ctx); len(list) > 0 || !known {
		behind = errors.Join(behind, s.fanOutOccurrences(ctx))
	}
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
				s.wake()
			case ctx.Err() == nil:
				s.log.Warn("a delivery was not made, or its outcome was not recorded: it will be tried again", "id", t.ID, "error", err)
			}
		})
	}
	return errors.Join(behind, err)
}

// Sweep gives targets the deliveries that they lack, tries all deliveries that are due,
// and returns how many succeeded. A target that hangs delays Sweep, but no other target.
func (s *Service) Sweep(ctx context.Context) (delivered int, err error) {
	if err := s.fanOutBehind(ctx); err != nil {
		return 0, err
	}
	left := s.fanOutOccurrences(ctx)
	defer func() { err = errors.Join(err, left) }()
	type outcome struct {
		target    string
		delivered int
		err       error
	}
	ended := make(chan outcome)
	calling := map[string]bool{}
	var due []*Target
	for {
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
