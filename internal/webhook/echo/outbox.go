package echo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// States of a delivery.
const (
	Waits     = "pending"
	Delivered = "delivered"
)

// Delivery is a change of a list that a target is told of.
type Delivery struct {
	N         int64           `json:"n"`
	WebhookID string          `json:"webhookId"`
	List      string          `json:"externalTaskListId"`
	Version   int64           `json:"version"`
	Data      json.RawMessage `json:"data"`
	CreatedAt time.Time       `json:"createdAt"`
	State     string          `json:"state"`
	Attempts  []Attempt       `json:"attempts,omitempty"` // the latest
	Tries     int             `json:"tries"`
	// Replaced is how many earlier versions this one took the place of before they were delivered.
	Replaced int64 `json:"replaced,omitempty"`

	rev string
}

// Attempt is a call of a target.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status,omitempty"`
	Error  string    `json:"error,omitempty"`
	TookMs int64     `json:"tookMs"`
}

const (
	maxAttemptsKept = 10
	leaseTime       = 45 * time.Second
	sendTime        = 15 * time.Second
)

// backoff is what a failed delivery waits for, by the number of failures; after the
// last the target is paused. Together some two days.
var backoff = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// longestWait is the longest that a target can have to wait: the last back-off with
// its spread, or what its Retry-After may ask for.
var longestWait = backoff[len(backoff)-1] * 6 / 5

func deliveryID(n int64) string { return fmt.Sprintf("%012d", n) }

func (d *Delivery) write(target string) store.Write {
	return store.Write{Collection: deliveriesOf(target), Doc: store.Doc{
		ID: deliveryID(d.N), Body: mustJSON(d), Rev: d.rev, ExpireAt: d.CreatedAt.Add(KeptFor),
	}}
}

// numbered overwrites what is stored under the number: a version that was not delivered,
// or what an earlier registration left. Whoever writes the target in the same commit owns its numbers.
func (d *Delivery) numbered(t *Target) store.Write {
	w := d.write(t.ID)
	w.Any = true
	return w
}

func parseDelivery(doc store.Doc) (*Delivery, error) {
	d := &Delivery{rev: doc.Rev}
	return d, json.Unmarshal(doc.Body, d)
}

// deliver takes the target for itself and makes its deliveries, one after the
// other, until one fails or none is left.
func (s *Service) deliver(ctx context.Context, t *Target) (delivered int, err error) {
	for t != nil && t.State == Active && t.Waiting() > 0 && ctx.Err() == nil {
		t.LeaseUntil = s.now().Add(leaseTime)
		revs, err := s.docs.Commit(ctx, []store.Write{t.write()})
		if errors.Is(err, store.ErrConflict) {
			return delivered, nil // somebody else has it, or it changed: it is due again
		}
		if err != nil {
			return delivered, fault.StoreAway(err)
		}
		t.rev = revs[0]
		docs, err := s.docs.Get(ctx, deliveriesOf(t.ID), []string{deliveryID(t.Head)})
		if err != nil {
			return delivered, fault.StoreAway(err)
		}
		if docs[0] == nil { // it expired
			if t, err = s.settle(ctx, t, nil, func(t *Target) { t.Head++ }); err != nil {
				return delivered, err
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

// attempt calls the target and records what came of it.
func (s *Service) attempt(ctx context.Context, t *Target, d *Delivery) (_ *Target, ok bool, err error) {
	began := s.now()
	status, retryAfter, sendErr := s.send(ctx, t, d)
	if ctx.Err() != nil { // we are stopping: nobody knows, and it is tried again
		return t, false, s.release(ctx, t)
	}
	now := s.now()
	a := Attempt{At: began, Status: status, TookMs: now.Sub(began).Milliseconds()}
	if sendErr != nil {
		a.Error = sendErr.Error()
	}
	d.Tries++
	d.Attempts = append(d.Attempts, a)
	if len(d.Attempts) > maxAttemptsKept {
		d.Attempts = d.Attempts[1:]
	}
	ok = sendErr == nil
	if ok {
		d.State = Delivered
	}
	if status == http.StatusGone {
		s.o.Log.Info("a webhook's target is gone, and forgotten", "id", t.ID)
		return nil, false, s.forget(ctx, t)
	}
	t, err = s.settle(ctx, t, d, func(t *Target) {
		t.LeaseUntil, t.LastStatus, t.LastError = time.Time{}, a.Status, a.Error
		if ok {
			t.Head, t.Failures, t.FailingSince, t.NextAttempt, t.Wait = max(t.Head, d.N+1), 0, time.Time{}, time.Time{}, 0
			return
		}
		if t.Failures == 0 {
			t.FailingSince = now
		}
		if t.Failures++; t.Failures > len(backoff) {
			t.State = Paused
			return
		}
		wait := backoff[t.Failures-1]
		t.Wait = max(wait+rand.N(wait/5+1), retryAfter)
		t.NextAttempt = now.Add(t.Wait)
	})
	return t, ok, err
}

// release has the target called again at once by whoever is next, if we end: where only
// a request does, the lease keeps one that hangs from being called with the next.
func (s *Service) release(ctx context.Context, t *Target) error {
	if s.stopped.Err() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	_, err := s.settle(ctx, t, nil, func(t *Target) { t.LeaseUntil = time.Time{} })
	return err
}

// settle commits the delivery and the change to the target, which others change
// meanwhile too. It returns the target as it is then; nil: it is gone, registered
// anew, or its lease is another's by now, who calls it again: what came of our call
// is not theirs.
func (s *Service) settle(ctx context.Context, t *Target, d *Delivery, change func(*Target)) (*Target, error) {
	for {
		next := *t
		change(&next)
		writes := []store.Write{next.write()}
		if d != nil {
			writes = append(writes, d.numbered(t))
		}
		revs, err := s.docs.Commit(ctx, writes)
		if err == nil {
			next.rev = revs[0]
			return &next, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, fault.StoreAway(err)
		}
		if t, err = s.again(ctx, t); t == nil {
			return nil, err
		}
	}
}

// forget removes the target, but not one that was registered anew meanwhile.
func (s *Service) forget(ctx context.Context, t *Target) error {
	for {
		_, err := s.docs.Commit(ctx, []store.Write{{Collection: targets, Doc: store.Doc{ID: t.docID(), Rev: t.rev}, Delete: true}})
		if !errors.Is(err, store.ErrConflict) {
			return fault.StoreAway(err)
		}
		if t, err = s.again(ctx, t); t == nil {
			return err
		}
	}
}

// again reads a target that changed. nil: this registration of it is gone, or the lease
// of it is lost.
func (s *Service) again(ctx context.Context, t *Target) (*Target, error) {
	now, err := s.readTarget(ctx, t.docID())
	if now == nil || !now.CreatedAt.Equal(t.CreatedAt) || !now.LeaseUntil.Equal(t.LeaseUntil) {
		return nil, err
	}
	return now, nil
}

// send calls the target. An error is for people; it names no more of the URL than
// its host.
func (s *Service) send(ctx context.Context, t *Target, d *Delivery) (status int, retryAfter time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.o.Patience, sendTime))
	defer cancel()
	body, contentType := s.body(t, d)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return 0, 0, errors.New("the URL cannot be called")
	}
	headers, err := signature.Sign(t.Secret, d.WebhookID, s.now(), body)
	if err != nil {
		return 0, 0, err
	}
	req.Header = headers
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "Headgate")
	resp, err := s.o.HTTP.Do(req)
	if err != nil {
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return 0, 0, errors.New(f.Message)
		}
		return 0, 0, fmt.Errorf("%s does not answer", req.URL.Host)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // for the connection's sake
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp.StatusCode, 0, nil
	}
	return resp.StatusCode, outbound.RetryAfter(resp, s.now()), fmt.Errorf("%s answers %s", req.URL.Host, fault.Status(resp.StatusCode))
}

// body is what the target gets.
func (s *Service) body(t *Target, d *Delivery) (body []byte, contentType string) {
	plain := struct {
		Data    json.RawMessage `json:"data"`
		List    string          `json:"externalTaskListId"`
		Version int64           `json:"version"`
	}{d.Data, d.List, d.Version}
	if t.Format != CloudEvents {
		return mustJSON(plain), "application/json"
	}
	source := s.o.PublicURL
	if source == "" {
		source = "/headgate"
	}
	return mustJSON(struct {
		SpecVersion string    `json:"specversion"`
		ID          string    `json:"id"`
		Source      string    `json:"source"`
		Type        string    `json:"type"`
		Subject     string    `json:"subject"`
		Time        time.Time `json:"time"`
		ContentType string    `json:"datacontenttype"`
		Data        any       `json:"data"`
	}{"1.0", d.WebhookID, source, "io.headgate.list.changed", d.List, d.CreatedAt, "application/json", plain}), "application/cloudevents+json"
}

// Deliveries of a target, the newest first.
func (s *Service) Deliveries(ctx context.Context, id string, limit int) ([]*Delivery, error) {
	t, err := s.target(ctx, id)
	if err != nil {
		return nil, err
	}
	out := []*Delivery{}
	var ids []string
	for n := t.Next - 1; n > 0 && len(ids) < limit; n-- {
		ids = append(ids, deliveryID(n))
	}
	docs, err := s.docs.Get(ctx, deliveriesOf(t.ID), ids)
	if err != nil {
		return nil, fault.StoreAway(err)
	}
	for _, doc := range docs {
		if doc == nil {
			continue
		}
		d, err := parseDelivery(*doc)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// Retry has a delivery tried now: one that waits at once, with the target no more
// paused; one that was delivered once more, after those that wait, with the id that
// it had.
func (s *Service) Retry(ctx context.Context, id string, n int64) error {
	t, err := s.target(ctx, id)
	if err != nil {
		return err
	}
	for {
		docs, err := s.docs.Get(ctx, deliveriesOf(t.ID), []string{deliveryID(n)}) // each time: another version may have taken its place
		if err != nil {
			return fault.StoreAway(err)
		}
		if docs[0] == nil || n >= t.Next { // it may be an earlier registration's
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
			if t.Waiting() >= KeptDeliveries {
				return fault.New(fault.Conflict, "webhook %q has %d deliveries that wait, and no more are kept", id, t.Waiting())
			}
			again := *d
			again.N, again.State, again.Attempts, again.Tries, again.rev, again.CreatedAt = t.Next, Waits, nil, 0, "", s.now()
			writes = append(next.add(s.now()), again.numbered(t))
		}
		_, err = s.docs.Commit(ctx, append(writes, next.write()))
		if err == nil {
			s.soon(ctx)
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return fault.StoreAway(err)
		}
		if t, err = s.target(ctx, id); err != nil {
			return err
		}
	}
}
