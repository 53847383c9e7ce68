package outgoing

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// States of a delivery.
const (
	Waits     = "pending"
	Delivered = "delivered"
)

// Delivery is a version of a list, or an occurrence, for one target.
type Delivery struct {
	N         int64           `json:"n"`
	WebhookID string          `json:"webhookId"`
	List      string          `json:"externalTaskListId,omitempty"`
	Version   int64           `json:"version,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Large     *list.Large     `json:"large,omitempty"` // instead of data
	// Occurrence is what happened, of a target that subscribes to types.
	Occurrence *occurrence.Occurrence `json:"occurrence,omitempty"`
	CreatedAt  time.Time              `json:"createdAt"`
	State      string                 `json:"state"`
	Attempts   []Attempt              `json:"attempts,omitempty"` // the latest
	Tries      int                    `json:"tries"`
	// Replaced counts the earlier versions that this one replaced before they were delivered.
	Replaced int64 `json:"replaced,omitempty"`
	// Traceparent names the span that caused a delivery of a list; an Occurrence has its own.
	Traceparent string `json:"traceparent,omitempty"`

	rev   string
	trial bool // a test delivery, which is never stored
}

// Attempt is a call of a target.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status,omitempty"`
	Error  string    `json:"error,omitempty"`
	TookMs int64     `json:"tookMs"`
}

// maxAttemptsKept bounds the attempts in a delivery's document.
const maxAttemptsKept = 10

func deliveriesOf(target string) store.Collection {
	return store.Collection{Kind: "deliveries", Scope: target}
}

func deliveryID(n int64) string { return fmt.Sprintf("%012d", n) }

// write overwrites the document under the delivery's number, if there is one: a version
// that was not delivered, or a delivery of an earlier registration. That is safe only in a
// commit that also writes the target, because the writer of the target owns its numbers.
func (d *Delivery) write(t *Target) store.Write {
	return store.Write{Collection: deliveriesOf(t.ID), Any: true, Doc: store.Doc{
		ID: deliveryID(d.N), Body: list.Encode(d), Rev: d.rev, ExpireAt: d.CreatedAt.Add(KeptFor),
	}}
}

func parseDelivery(doc store.Doc) (*Delivery, error) {
	d := &Delivery{rev: doc.Rev}
	return d, json.Unmarshal(doc.Body, d)
}

// record adds an attempt. After a successful one, the delivery is marked as delivered.
func (d *Delivery) record(a Attempt) {
	d.Tries++
	d.Attempts = append(d.Attempts, a)
	if len(d.Attempts) > maxAttemptsKept {
		d.Attempts = d.Attempts[1:]
	}
	if a.Error == "" {
		d.State = Delivered
	}
}

// Deliveries returns the deliveries of a target, newest first, and the target.
func (s *Service) Deliveries(ctx context.Context, id string, limit int) (*Target, []*Delivery, error) {
	t, err := s.targets.find(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	list, err := s.newest(ctx, t, limit)
	return t, list, err
}

func (s *Service) newest(ctx context.Context, t *Target, limit int) ([]*Delivery, error) {
	out := []*Delivery{}
	var ids []string
	for n := t.Next - 1; n > 0 && len(ids) < limit; n-- {
		ids = append(ids, deliveryID(n))
	}
	docs, err := s.docs.Get(ctx, deliveriesOf(t.ID), ids)
	if err != nil {
		return nil, err
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
