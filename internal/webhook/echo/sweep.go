package echo

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

const (
	// atOnce is how many targets are called at once: many, for those that hang wait
	// rather than work.
	atOnce = 64
	// inlineTime is how long a request tries deliveries where there is no processor
	// after its answer.
	inlineTime = 4 * time.Second
)

// soon has what is due delivered.
func (s *Service) soon(ctx context.Context) {
	if s.o.Inline {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inlineTime)
		defer cancel()
		if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("deliveries are not all tried", "error", err)
		}
		return
	}
	s.wake()
}

// wake has Start's loop look for what is due.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Start delivers what is due, now and as it comes, until Close.
func (s *Service) Start() {
	s.running.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			if err := s.begin(s.stopped); err != nil && s.stopped.Err() == nil {
				s.o.Log.Warn("deliveries are not all tried", "error", err)
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

// Close ends the deliveries under way; they are tried again by whoever is next.
func (s *Service) Close(ctx context.Context) error {
	s.stop()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin has all that is due tried, and waits for none of it: a target that hangs must
// not keep the loop from the others. Its lease keeps it from being called twice.
func (s *Service) begin(ctx context.Context) error {
	left := s.fanOutLeft(ctx)
	due, err := s.due(ctx)
	for _, t := range due {
		select {
		case s.busy <- struct{}{}:
		default:
			return left // who is done wakes the loop, and the rest is found again
		}
		s.running.Go(func() {
			_, err := s.deliver(ctx, t)
			<-s.busy
			switch {
			case err == nil:
				s.wake()
			case ctx.Err() == nil:
				s.o.Log.Warn("a delivery is not made, or not recorded: it is tried again", "id", t.ID, "error", err)
			}
		})
	}
	return errors.Join(left, err)
}

// Sweep gives targets the deliveries that they lack, and tries all that is due. It
// returns how many were delivered.
func (s *Service) Sweep(ctx context.Context) (delivered int, err error) {
	if err := s.fanOutLeft(ctx); err != nil {
		return 0, err
	}
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
			due, err = s.due(ctx)
			due = slices.DeleteFunc(due, func(t *Target) bool { return calling[t.docID()] })
		}
		for len(due) > 0 && len(calling) < atOnce && err == nil && ctx.Err() == nil {
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

// fanOutLeft gives targets the deliveries that they lack.
func (s *Service) fanOutLeft(ctx context.Context) error {
	pending, err := s.docs.List(ctx, store.Listing{Collection: lists, ByOrder: true, Limit: 100})
	if err != nil {
		return fault.StoreAway(err)
	}
	for _, d := range pending {
		if err := s.fanOut(ctx, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// duePage is how many targets are looked at, at either end.
const duePage = 100

// due returns targets that are to be called now, the longest due first. A target may
// wait for a time that nobody can have set, if a clock was ahead or ours was set back:
// it is due as well. Those are at the far end of the order.
func (s *Service) due(ctx context.Context) (due []*Target, err error) {
	now := s.now()
	docs, err := s.docs.List(ctx, store.Listing{Collection: targets, ByOrder: true, Limit: duePage})
	// If the whole page is due, that is enough for now.
	if err == nil && len(docs) == duePage && docs[duePage-1].Order > now.UnixMicro() {
		var far []store.Doc
		far, err = s.docs.List(ctx, store.Listing{Collection: targets, ByOrder: true, Descending: true, Limit: duePage})
		last := docs[duePage-1]
		for _, d := range far {
			if d.Order > last.Order || d.Order == last.Order && d.ID > last.ID {
				docs = append(docs, d)
			}
		}
	}
	if err != nil {
		return nil, fault.StoreAway(err)
	}
	for _, d := range docs {
		if t := s.legible(d); t != nil && t.due(now) {
			due = append(due, t)
		}
	}
	return due, nil
}
