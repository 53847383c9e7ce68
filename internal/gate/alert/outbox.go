package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

const (
	// longestRest is the longest back-off of an alert that a receiver did not take.
	longestRest = 5 * time.Minute
	// sendTime bounds one attempt at one receiver, and settleTime the store's part after it.
	sendTime, settleTime = 10 * time.Second, 5 * time.Second
	// lease is the time for which an attempt holds the alert.
	lease = sendTime + 4*settleTime
	// collectionKind is that of the alerts' documents.
	collectionKind = "alerts"
	// page is the number of alerts that are read at a time, and atOnce of those sent at once.
	page, atOnce = 100, 4
)

// Receiver gets alerts. Send makes one attempt; nil means that the receiver has the alert.
type Receiver struct {
	Name string // distinguishes it from the service's others, also after a restart
	Send func(ctx context.Context, m Message) error
	// Final reports whether no other attempt can succeed after the error; nil: one always can.
	Final func(err error) bool
}

// NameOf returns the name of a receiver with that URL: its host, and a hash of all of it. The
// rest of a URL may be a secret.
func NameOf(address string) string {
	host := "?"
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	return host + " " + event.DeriveID("alerts", "url", address)[:8]
}

// Outbox keeps a service's alerts in documents. One collection has those that some receiver
// still has to get, in the order of their next attempts. Another has the others, in the
// order of their times.
type Outbox struct {
	Docs      store.Docs
	Service   string
	Source    string // the CloudEvents source
	Receivers []Receiver
	Log       *slog.Logger
	Tracer    *trace.Tracer    // nil: nothing is recorded
	Now       func() time.Time // whole microseconds
	Expire    func() time.Time // when an alert that is created now may be deleted
	Changed   func()           // called after each attempt, because its outcome is shown to people; nil: nobody looks
}

// entry is an alert as it is stored.
type entry struct {
	Alert
	Delivered []string `json:"delivered,omitempty"` // names of receivers
	Attempts  int      `json:"attempts,omitempty"`
	LastError string   `json:"lastError,omitempty"`
	// To are the receivers of the configuration that created the alert. While a deployment
	// replaces instances, an older one may not know all of them: it leaves those to the newer
	// ones until Shared.
	To     []string  `json:"to,omitempty"`
	Shared time.Time `json:"shared,omitzero"`
	// Traceparent is the span in which the alert was created, if it was recorded.
	Traceparent string `json:"traceparent,omitempty"`
}

// unknownFor is the time for which an alert waits for an instance that knows its receiver.
const unknownFor = time.Hour

// elsewhere returns an error for each receiver that only other instances know.
func (o *Outbox) elsewhere(e *entry) (unknown []string) {
	for _, name := range e.To {
		known := slices.ContainsFunc(o.Receivers, func(r Receiver) bool { return r.Name == name })
		if !known && !slices.Contains(e.Delivered, name) && o.Now().Before(e.Shared) {
			unknown = append(unknown, name+": the configuration has no such receiver")
		}
	}
	return unknown
}

// Sent is an alert, and what became of it.
type Sent struct {
	Alert
	Waiting   bool   // some receiver does not have it
	LastError string // of a waiting alert's last attempt
}

func (o *Outbox) collection(part string) store.Collection {
	return store.Collection{Kind: collectionKind, Scope: part + "/" + event.DeriveID("alerts", o.Service, "")}
}

func (o *Outbox) waiting() store.Collection { return o.collection("waiting") }
func (o *Outbox) done() store.Collection    { return o.collection("done") }

// Create returns the write that creates the alert. It replaces the alert if it exists, so
// it belongs into a commit that succeeds once only.
func (o *Outbox) Create(ctx context.Context, a Alert) (store.Write, error) {
	e := entry{Alert: a, Traceparent: trace.Parent(ctx)}
	if len(o.Receivers) == 0 {
		return o.write(o.done(), e, a.At, o.Expire())
	}
	e.Shared = o.Now().Add(unknownFor)
	for _, r := range o.Receivers {
		e.To = append(e.To, r.Name)
	}
	return o.write(o.waiting(), e, o.Now(), o.Expire())
}

func (o *Outbox) write(c store.Collection, e entry, order, expire time.Time) (store.Write, error) {
	body, err := e.encode()
	return store.Write{Any: true, Collection: c, Doc: store.Doc{ID: e.ID, Body: body, Order: max(order.UnixMicro(), 1), ExpireAt: expire}}, err
}

// encode returns the entry as it is stored, whose alert has as many details as it may have.
func (e entry) encode() ([]byte, error) {
	short, err := e.Alert.Encode()
	if err != nil {
		return nil, err
	}
	if e.Alert = (Alert{}); json.Unmarshal(short, &e.Alert) != nil {
		return nil, fmt.Errorf("alert: %q cannot be read back", short)
	}
	return json.Marshal(e)
}

// Existing returns those of the ids that alerts have, whether or not they were sent.
func (o *Outbox) Existing(ctx context.Context, ids []string) (map[string]bool, error) {
	found := make(map[string]bool)
	for _, c := range []store.Collection{o.waiting(), o.done()} {
		docs, err := o.Docs.Get(ctx, c, ids)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			if d != nil {
				found[d.ID] = true
			}
		}
	}
	return found, nil
}

// Latest returns the latest alerts, the newest first, at most limit of them.
func (o *Outbox) Latest(ctx context.Context, limit int) (list []Sent, err error) {
	for _, c := range []store.Collection{o.waiting(), o.done()} {
		docs, err := o.Docs.List(ctx, store.Listing{Collection: c, ByOrder: true, Descending: true, Limit: limit})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			var e entry
			if err := json.Unmarshal(d.Body, &e); err != nil {
				return nil, fmt.Errorf("read an alert: %w", err)
			}
			list = append(list, Sent{e.Alert, c == o.waiting(), e.LastError})
		}
	}
	slices.SortFunc(list, func(a, b Sent) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	list = slices.CompactFunc(list, func(a, b Sent) bool { return a.ID == b.ID }) // it moved between the two lists
	return list[:min(limit, len(list))], nil
}

// Send sends the alerts that are due, and returns when the next one is (zero: none waits).
// Several instances may send at once: a lease keeps them apart. An attempt whose outcome
// cannot be stored is repeated when its lease has ended.
func (o *Outbox) Send(ctx context.Context) (next time.Time, err error) {
	for {
		docs, err := o.Docs.List(ctx, store.Listing{Collection: o.waiting(), ByOrder: true, Limit: page})
		if err != nil {
			return time.Time{}, err
		}
		now := o.Now()
		var earliest atomic.Int64
		later := func(at time.Time) {
			for {
				old := earliest.Load()
				if old != 0 && old <= at.UnixMicro() || earliest.CompareAndSwap(old, at.UnixMicro()) {
					return
				}
			}
		}
		tried := 0
		var eg errgroup.Group
		eg.SetLimit(atOnce)
		for _, d := range docs {
			if at := time.UnixMicro(d.Order); !clock.Over(at, now, max(lease, longestRest)) {
				later(at)
				continue
			}
			tried++
			eg.Go(func() error {
				at, err := o.attempt(ctx, d)
				if err == nil && !at.IsZero() {
					later(at)
				}
				return err
			})
		}
		if err := eg.Wait(); err != nil {
			return time.Time{}, err
		}
		if tried == 0 || len(docs) < page {
			if at := earliest.Load(); at != 0 {
				next = time.UnixMicro(at)
			}
			return next, ctx.Err()
		}
	}
}

// attempt sends an alert to the receivers that do not have it. It returns the time of the
// next attempt; zero: every receiver has it, or another instance is sending it.
func (o *Outbox) attempt(ctx context.Context, d store.Doc) (next time.Time, err error) {
	var e entry
	if err := json.Unmarshal(d.Body, &e); err != nil {
		return next, fmt.Errorf("read an alert: %w", err)
	}
	revs, err := o.Docs.Commit(ctx, []store.Write{{Collection: o.waiting(), Doc: store.Doc{
		ID: d.ID, Body: d.Body, Order: o.Now().Add(lease).UnixMicro(), Rev: d.Rev, ExpireAt: d.ExpireAt,
	}}})
	if errors.Is(err, store.ErrConflict) {
		return o.Now().Add(lease), nil
	}
	if err != nil {
		return next, err
	}
	if o.Changed != nil {
		defer o.Changed()
	}
	e.Attempts++
	ctx, span := o.Tracer.Continue(ctx, trace.Parse(e.Traceparent), trace.Producer, "deliver alert")
	span.SetString("headgate.service", o.Service)
	span.SetString("headgate.alert.kind", string(e.Kind))
	span.SetString("messaging.message.id", e.ID)
	span.SetInt("headgate.attempt", e.Attempts)
	failed := append(o.deliver(ctx, &e), o.elsewhere(&e)...)
	defer func() {
		if len(failed) > 0 {
			span.End(errUndelivered)
			return
		}
		span.End(err)
	}()
	e.LastError = strings.Join(failed, "; ")
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if len(failed) == 0 {
		done, err := o.write(o.done(), e, e.At, d.ExpireAt)
		if err != nil {
			return next, err
		}
		_, err = o.Docs.Commit(settle, []store.Write{
			{Collection: o.waiting(), Delete: true, Doc: store.Doc{ID: d.ID, Rev: revs[0]}}, done,
		})
		return next, orNil(err)
	}
	o.Log.WarnContext(ctx, "an alert could not be delivered; it is tried again", "alertID", e.ID, "kind", e.Kind, "attempts", e.Attempts, "error", e.LastError)
	next = o.Now().Add(min(5*time.Second<<min(e.Attempts, 10), longestRest))
	again, err := o.write(o.waiting(), e, next, d.ExpireAt)
	if err != nil {
		return next, err
	}
	again.Any, again.Doc.Rev = false, revs[0]
	_, err = o.Docs.Commit(settle, []store.Write{again})
	return next, orNil(err)
}

// errUndelivered is the error of an attempt that not every receiver took. Their own errors are
// those of the spans below.
var errUndelivered = errors.New("alert: not every receiver took it")

// KindOf returns the kind of the alert that a write creates; "" if it creates none.
func KindOf(w store.Write) Kind {
	var a struct{ Kind Kind }
	if w.Delete || w.Collection.Kind != collectionKind || json.Unmarshal(w.Doc.Body, &a) != nil {
		return ""
	}
	return a.Kind
}

// orNil returns nil for a conflict: the lease had ended, and another instance has the alert.
func orNil(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// deliver makes an attempt at each receiver that does not have the alert, at once. It
// returns the errors of those that did not take it.
func (o *Outbox) deliver(ctx context.Context, e *entry) (failed []string) {
	m, err := e.message(o.Source)
	if err != nil {
		return []string{err.Error()}
	}
	errs := make([]error, len(o.Receivers))
	var all sync.WaitGroup
	for i, r := range o.Receivers {
		if slices.Contains(e.Delivered, r.Name) {
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, sendTime)
			defer cancel()
			errs[i] = r.Send(ctx, m)
		})
	}
	all.Wait()
	for i, r := range o.Receivers {
		switch {
		case slices.Contains(e.Delivered, r.Name):
		case errs[i] == nil:
			e.Delivered = append(e.Delivered, r.Name)
		case r.Final != nil && r.Final(errs[i]):
			o.Log.ErrorContext(ctx, "an alert cannot be delivered; it is given up", "alertID", e.ID, "kind", e.Kind, "receiver", r.Name, "error", errs[i])
			e.Delivered = append(e.Delivered, r.Name)
		default:
			failed = append(failed, r.Name+": "+errs[i].Error())
		}
	}
	return failed
}
