package outgoing

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
)

const (
	// leaseTime is the time for which a process owns a target that it calls. Building a message,
	// calling and the commit take less.
	leaseTime = 45 * time.Second
	// settleTime bounds the release of a lease by a process that is stopping.
	settleTime = 5 * time.Second
)

// deliver leases the target and makes its deliveries in order, until one fails or none is
// left. Each delivery renews the lease.
func (s *Service) deliver(ctx context.Context, t *Target) (delivered int, err error) {
	for t != nil && t.State == Active && t.Waiting() > 0 && ctx.Err() == nil {
		t.LeaseUntil = s.now().Add(leaseTime)
		revs, err := s.docs.Commit(ctx, []store.Write{t.write()})
		if errors.Is(err, store.ErrConflict) {
			return delivered, nil // another process leased it, or it changed and will be due again
		}
		if err != nil {
			return delivered, err
		}
		t.rev = revs[0]
		docs, err := s.docs.Get(ctx, deliveriesOf(t.ID), []string{deliveryID(t.Head)})
		if err != nil {
			return delivered, err
		}
		if docs[0] == nil {
			before := t.DroppedAt
			if t, err = s.settle(ctx, t, nil, func(t *Target) {
				before = t.DroppedAt
				t.lose(1, s.now())
				t.pass(t.Head)
			}); err != nil {
				return delivered, err
			}
			if t != nil {
				t.tellDropped(s.log, before, tooLong)
			}
			continue
		}
		d, err := parseDelivery(*docs[0])
		if err != nil {
			return delivered, err
		}
		var ok bool
		if t, ok, err = s.attempt(ctx, t, d); err != nil {
			return delivered, err
		}
		if !ok {
			return delivered, nil
		}
		delivered++
	}
	return delivered, nil
}

// attempt calls the target once and records the outcome. ok reports whether the target
// took the delivery.
func (s *Service) attempt(ctx context.Context, t *Target, d *Delivery) (_ *Target, ok bool, err error) {
	began := s.now()
	status, retryAfter, sendErr := s.tracedCall(ctx, t, d)
	if ctx.Err() != nil { // this process is stopping: the outcome is unknown, and another retries
		return t, false, s.release(ctx, t)
	}
	now := s.now()
	a := Attempt{At: began, Status: status, TookMs: now.Sub(began).Milliseconds()}
	if sendErr != nil {
		a.Error = sendErr.Error()
	}
	d.record(a)
	s.meter.Took(meter.DeliveryDuration, now.Sub(began), meter.Outcome(sendErr))
	if status == http.StatusGone {
		s.log.Warn("the target of a webhook is gone: it is removed", "id", t.ID, "host", hostOf(t.URL))
		return nil, false, s.remove(ctx, t)
	}
	ok = sendErr == nil
	before := t.Failures
	t, err = s.settle(ctx, t, d, func(t *Target) {
		t.LeaseUntil, t.LastStatus, t.LastError = time.Time{}, a.Status, a.Error
		if ok {
			t.pass(d.N)
			t.Failures, t.FailingSince, t.NextAttempt, t.WaitSeconds = 0, time.Time{}, time.Time{}, 0
			return
		}
		if t.Failures == 0 {
			t.FailingSince = now
		}
		t.Failures++
		wait, again := outbound.Pause(t.Failures, retryAfter)
		if !again {
			t.State = Paused
			return
		}
		t.WaitSeconds = wait.Seconds()
		t.NextAttempt = now.Add(wait)
	})
	if t != nil {
		s.tellTurn(t, before)
	}
	return t, ok, err
}

// tellTurn logs that a target begins to fail, is paused, or takes deliveries again. before
// counts its failures until this attempt. The attempts between have no line: there may be many.
func (s *Service) tellTurn(t *Target, before int) {
	switch {
	case t.State == Paused:
		s.log.Warn("the target of a webhook is paused, and keeps its deliveries: correct it, and retry one of them with POST /webhooks/{id}/deliveries/{n}/retry",
			"id", t.ID, "host", hostOf(t.URL), "failures", t.Failures, "failingSince", t.FailingSince.Format(time.RFC3339), "waiting", t.Waiting(), "error", t.LastError)
	case t.Failures == 1:
		s.log.Warn("the target of a webhook did not take a delivery: it is tried again", "id", t.ID, "host", hostOf(t.URL), "status", t.LastStatus, "error", t.LastError)
	case t.Failures == 0 && before > 0:
		s.log.Info("the target of a webhook takes deliveries again", "id", t.ID, "host", hostOf(t.URL), "failures", before)
	}
}

// hostOf returns the host of a target's URL: the rest may hold a credential.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// call sends the delivery, and its data if they are stored apart.
func (s *Service) call(ctx context.Context, t *Target, d *Delivery) (status int, retryAfter time.Duration, err error) {
	whole := *d // the data do not become a part of the delivery's own document
	if d.Large != nil {
		if whole.Data, err = s.lists.Load(ctx, d.Large); err != nil {
			s.log.Warn("the data of a webhook cannot be read", "id", t.ID, "delivery", d.N, "error", err)
			return 0, 0, errors.New("the delivery's data cannot be read")
		}
	}
	if d.Occurrence != nil {
		data, done, err := s.dataOfOccurrence(ctx, d.Occurrence)
		if err != nil {
			s.log.Warn("the message of a webhook cannot be read now", "id", t.ID, "delivery", d.N, "error", err)
			return 0, 0, errors.New("the message cannot be read now")
		}
		defer done()
		whole.Data = data
	}
	return s.sender.send(ctx, t, &whole)
}

// release drops the lease at shutdown, so that another process can retry at once. When
// only the request ended, the lease stays: it keeps the next request from calling a
// target that hangs.
func (s *Service) release(ctx context.Context, t *Target) error {
	if s.stopped.Err() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	_, err := s.settle(ctx, t, nil, func(t *Target) { t.LeaseUntil = time.Time{} })
	return err
}

// settle commits the delivery and the change of the target, which fan-outs may change at
// the same time. It returns the target after the commit. nil means that the outcome was
// dropped: the target is gone, it was registered anew, or another process has its lease
// and calls it again.
func (s *Service) settle(ctx context.Context, t *Target, d *Delivery, change func(*Target)) (*Target, error) {
	for {
		next := *t
		change(&next)
		var writes []store.Write
		if d != nil {
			writes = append(next.forget(d.N), d.write(t))
		}
		writes = append([]store.Write{next.write()}, writes...)
		revs, err := s.docs.Commit(ctx, writes)
		if err == nil {
			s.changed()
			next.rev = revs[0]
			return &next, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
		if t, err = s.reread(ctx, t); t == nil {
			return nil, err
		}
	}
}

// remove deletes the target, but not one that was registered anew meanwhile.
func (s *Service) remove(ctx context.Context, t *Target) error {
	for {
		_, err := s.docs.Commit(ctx, []store.Write{{Collection: registered, Doc: store.Doc{ID: t.docID(), Rev: t.rev}, Delete: true}})
		if !errors.Is(err, store.ErrConflict) {
			s.changed()
			return err
		}
		if t, err = s.reread(ctx, t); t == nil {
			return err
		}
	}
}

// reread reads a leased target again after a conflict. nil means that this registration
// is gone, or that the lease is lost.
func (s *Service) reread(ctx context.Context, t *Target) (*Target, error) {
	now, err := s.targets.read(ctx, t.docID())
	if now == nil || !now.CreatedAt.Equal(t.CreatedAt) || !now.LeaseUntil.Equal(t.LeaseUntil) {
		return nil, err
	}
	return now, nil
}
