package outgoing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// occurrencePage is the most occurrences that are read at a time.
const occurrencePage = 100

// Stored begins to deliver the occurrences that were committed.
func (s *Service) Stored() { s.deliverSoon(context.Background()) }

// fanOutOccurrences gives the targets the deliveries of all stored occurrences, the oldest
// first, and deletes the occurrences. One that fails stays, and does not stop the others.
func (s *Service) fanOutOccurrences(ctx context.Context) (failed error) {
	l := store.Listing{Collection: occurrence.Collection, ByOrder: true, Limit: occurrencePage, Bytes: store.PageBytes}
	var targets []*Target
	for {
		docs, err := s.docs.List(ctx, l)
		if err == nil && len(docs) > 0 && targets == nil {
			targets, err = s.readSubscriptions(ctx)
		}
		if err != nil || len(docs) == 0 {
			return errors.Join(failed, err)
		}
		for _, d := range docs {
			l.After = store.Position{Order: d.Order, ID: d.ID}
			e, err := occurrence.Parse(d)
			if err != nil { // one damaged document must not stop the others
				s.log.Error("an occurrence cannot be read, and nobody gets it", "document", d.ID, "error", err)
				continue
			}
			if err := s.fanOutOccurrence(ctx, e, targets); err != nil {
				failed = fmt.Errorf("%s %s: %w", e.Type, e.ID, err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if l.Over(docs) {
			return failed
		}
	}
}

// fanOutOccurrence gives each target that wants the occurrence one delivery of it. The commit
// of a delivery also notes in the occurrence that the target has it, and the last one deletes
// the occurrence. So a target gets one delivery, wherever a process dies, and however many
// processes do this at once. Targets that others changed meanwhile are read again in place.
func (s *Service) fanOutOccurrence(ctx context.Context, e *occurrence.Entry, targets []*Target) error {
	wanting, err := s.wanting(ctx, &e.Occurrence, targets)
	if err != nil {
		return err
	}
	wanting = slices.DeleteFunc(wanting, func(t *Target) bool { return t.docID() <= e.After })
	for len(wanting) > 0 && e != nil {
		t := wanting[0]
		done, err := s.enqueueOccurrence(ctx, t, e, len(wanting) == 1)
		if errors.Is(err, store.ErrConflict) {
			if e, wanting, err = s.afterConflict(ctx, e, wanting); err != nil {
				return err
			}
			continue
		}
		if err != nil || done {
			return err
		}
		wanting = wanting[1:]
	}
	if e == nil {
		return nil
	}
	_, err = s.docs.Commit(ctx, []store.Write{e.Delete()})
	if errors.Is(err, store.ErrConflict) {
		return nil // another process gives it to a target, or has deleted it
	}
	return err
}

// afterConflict reads the occurrence and the first target again. It returns no occurrence if
// another process has given it to all targets.
func (s *Service) afterConflict(ctx context.Context, e *occurrence.Entry, wanting []*Target) (*occurrence.Entry, []*Target, error) {
	docs, err := s.docs.Get(ctx, occurrence.Collection, []string{e.DocID()})
	if err != nil || docs[0] == nil {
		return nil, nil, err
	}
	if e, err = occurrence.Parse(*docs[0]); err != nil {
		return nil, nil, err
	}
	now, err := s.targets.read(ctx, wanting[0].docID())
	if err != nil {
		return nil, nil, err
	}
	if now == nil || !now.subscribes(e.Type, e.Subject) { // it unregistered
		return e, wanting[1:], nil
	}
	*wanting[0] = *now
	return e, slices.DeleteFunc(wanting, func(t *Target) bool { return t.docID() <= e.After }), nil
}

// enqueueOccurrence gives the target a delivery of the occurrence. If the target is the last
// one, the same commit deletes the occurrence, and done is true.
func (s *Service) enqueueOccurrence(ctx context.Context, t *Target, e *occurrence.Entry, last bool) (done bool, err error) {
	now := s.now()
	next, noted := *t, *e
	writes := next.add(now)
	d := &Delivery{N: t.Next, WebhookID: e.ID, Occurrence: &e.Occurrence, CreatedAt: now, State: Waits}
	noted.After = t.docID()
	of := noted.Write()
	if last {
		of = e.Delete()
	}
	revs, err := s.docs.Commit(ctx, append(writes, d.write(t), next.write(), of))
	if err != nil {
		return false, err
	}
	if next.Dropped > 0 && t.Dropped == 0 {
		s.log.Warn("deliveries of a webhook are dropped: more wait than can be kept", "id", t.ID, "kept", t.most(), "dropped", next.Dropped)
	}
	s.changed()
	next.rev = revs[len(revs)-2]
	*t, *e = next, noted
	e.SetRev(revs[len(revs)-1])
	return last, nil
}

// wanting returns the targets that subscribe to the occurrence and whose filter lets it
// through.
func (s *Service) wanting(ctx context.Context, o *occurrence.Occurrence, targets []*Target) (wanting []*Target, err error) {
	release := func() {}
	defer func() { release() }()
	data := sync.OnceValues(func() (json.RawMessage, error) { // once for all filters
		whole, done, err := s.dataOfOccurrence(ctx, o)
		if err == nil {
			release = done
		}
		return whole, err
	})
	for _, t := range targets {
		if !t.subscribes(o.Type, o.Subject) {
			continue
		}
		if t.Filter != "" {
			whole, err := data()
			if err != nil {
				return nil, err
			}
			wanted, err := t.wantsOccurrence(o, whole)
			if err != nil {
				s.log.Warn("the filter of a webhook fails: the occurrence is delivered", "id", t.ID, "type", o.Type, "occurrence", o.ID, "error", err)
			}
			if !wanted {
				continue
			}
		}
		wanting = append(wanting, t)
	}
	return wanting, nil
}

// dataOfOccurrence returns the data to send. A message is built from its events. If these
// have expired, or if the message is too large and its format has no claim check, the data
// only name the message. done gives back the memory of the data.
func (s *Service) dataOfOccurrence(ctx context.Context, o *occurrence.Occurrence) (data json.RawMessage, done func(), err error) {
	if o.EventID == "" || s.message == nil {
		return o.Data, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.sender.patience)
	defer cancel()
	data, done, err = s.message(ctx, o.Service, o.EventID)
	switch fault.CodeOf(err) {
	case fault.NotFound, fault.Gone, fault.Conflict:
		s.log.Warn("a message cannot be sent as a webhook: its address is sent", "serviceName", o.Service, "eventID", o.EventID, "error", err)
		return o.Data, func() {}, nil
	}
	return data, done, err
}
