package outgoing

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
)

// fanOut gives every target of the list a delivery of its newest version.
func (s *Service) fanOut(ctx context.Context, id string) error {
	for {
		l, err := s.lists.Read(ctx, id)
		if err != nil || l.Fanned >= l.Version {
			return err
		}
		data := sync.OnceValues(func() ([]byte, error) { return s.dataOf(ctx, l) }) // once for all targets with a filter
		err = s.targets.each(ctx, targetPrefix(id), func(t *Target) error { return s.enqueue(ctx, t, l, data) })
		if err != nil {
			return err
		}
		l.Fanned = l.Version
		if err := s.lists.Commit(ctx, l); !errors.Is(err, store.ErrConflict) {
			return err
		} // the list changed meanwhile: fan the newer version out as well
	}
}

// fanOutBehind completes the fan-outs that a crash or an error cut short.
func (s *Service) fanOutBehind(ctx context.Context) error {
	behind, err := s.lists.Behind(ctx)
	if err != nil {
		return err
	}
	for _, id := range behind {
		if err := s.fanOut(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// enqueue gives the target a delivery of the list's version, unless it has one. The
// version replaces an earlier one that waits, so the number of waiting deliveries does not
// grow with the changes. data returns the list's data, for a filter. The target's own document has all that the decision needs, so a
// change costs the same however many deliveries wait.
func (s *Service) enqueue(ctx context.Context, t *Target, l *list.List, data func() ([]byte, error)) error {
	if t.Version >= l.Version {
		return nil
	}
	if t.Filter != "" {
		whole, err := data()
		if err != nil {
			return err
		}
		wanted, err := t.wants(l, whole)
		if err != nil {
			s.log.Warn("the filter of a webhook fails: the version is delivered", "id", t.ID, "list", l.ID, "version", l.Version, "error", err)
		}
		if !wanted {
			return s.skip(ctx, t, l)
		}
	}
	for t.Version < l.Version {
		now := s.now()
		d := &Delivery{N: t.Next, WebhookID: "msg_" + s.random(), List: l.ID, Version: l.Version, Data: l.Data, Large: l.Large, CreatedAt: now, State: Waits, Traceparent: l.Traceparent}
		next := *t
		next.Version = l.Version
		var writes []store.Write
		if t.replaceable(now) {
			d.N = t.Newest
			writes = next.drop(now)
			next.Replaced++
			d.Replaced = next.Replaced
			// A sender whose lease has expired may still be in its call. Clearing the lease
			// makes its commit fail. It must not mark this version as delivered, because it
			// sent the previous one.
			if t.Newest == t.Head {
				next.LeaseUntil = time.Time{}
			}
		} else {
			next.Replaced = 0
			writes = next.add(now)
			next.Newest = d.N
		}
		_, err := s.docs.Commit(ctx, append(writes, d.write(t), next.write()))
		if err == nil {
			next.tellDropped(s.log, t.DroppedAt, tooMany)
		}
		if !errors.Is(err, store.ErrConflict) {
			s.changed()
			return err
		}
		if t, err = s.targets.read(ctx, t.docID()); t == nil {
			return err // the target unregistered
		}
	}
	return nil
}

// dataOf returns the data of the list's version, wherever they are stored. Parts that have
// expired are no data: no delivery of the version can be made.
func (s *Service) dataOf(ctx context.Context, l *list.List) ([]byte, error) {
	if l.Large == nil {
		return l.Data, nil
	}
	data, err := s.lists.Load(ctx, l.Large)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, nil
	}
	return data, err
}

// skip records that the target needs no delivery of the version. Without that, a fan-out
// that begins anew would ask the filter about it again.
func (s *Service) skip(ctx context.Context, t *Target, l *list.List) error {
	for t.Version < l.Version {
		next := *t
		next.Version = l.Version
		_, err := s.docs.Commit(ctx, []store.Write{next.write()})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if t, err = s.targets.read(ctx, t.docID()); t == nil {
			return err // the target unregistered
		}
	}
	return nil
}
