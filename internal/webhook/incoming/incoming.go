// Package incoming takes the webhooks of other systems: it verifies them, counts each
// once, and passes on what they say.
//
// There are two kinds. A webhook of the source of truth carries a whole list, which is
// stored as a new version ([Service.Receive]). A webhook at a named hook of the
// configuration says that something changed, and the caller of [Service.Once] does the
// work. [Sessions] knows which lists people have open, and registers with the source for
// them.
//
// Promises:
//
//   - A webhook is stored before it is answered. One that is sent again, with the same
//     id, changes nothing.
//   - A stored version is passed on even if the source hangs up.
//   - The source calls us for a list while sessions have it open, and always for the lists
//     that the configuration names. A start registers for them again.
//
// On failure: a webhook that could not be stored is answered with an error, so its
// sender retries. A session that the source refuses is not opened.
package incoming

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// Options configure a Service.
type Options struct {
	Docs     store.Docs
	Sessions *Sessions
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
	// Changed is called with each list that changed, and with the sessions that have it
	// open. It may take until ctx ends.
	Changed func(ctx context.Context, list string, sessions []Session)
	// Outbox takes the changes of lists to which others subscribe. nil: nobody does.
	Outbox *occurrence.Outbox
}

// Service is the use case. All methods may be called concurrently.
type Service struct {
	lists    list.Store
	seen     memory
	sessions *Sessions
	log      *slog.Logger
	now      func() time.Time
	changed  func(ctx context.Context, list string, sessions []Session)
	outbox   *occurrence.Outbox
}

// New returns a service.
func New(o Options) *Service {
	now := micros(o.Now)
	return &Service{lists: list.NewStore(o.Docs), seen: memory{o.Docs, now}, sessions: o.Sessions, log: o.Log, now: now, changed: o.Changed, outbox: o.Outbox}
}

// micros returns the clock in the resolution that stores keep.
func micros(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().UTC().Truncate(time.Microsecond) }
}

// List returns a list. NotFound: no webhook was ever about it.
func (s *Service) List(ctx context.Context, id string) (*list.List, error) {
	l, err := s.lists.Read(ctx, id)
	if err == nil && l.Version == 0 {
		return nil, fault.New(fault.NotFound, "no webhook was ever received about the list %q", id)
	}
	return l, err
}

// Receive stores the data of a list that the source sent, and passes the change on. A
// webhook whose id was received before is a duplicate. One without an id never is.
func (s *Service) Receive(ctx context.Context, id, webhookID string, data json.RawMessage) (duplicate bool, err error) {
	if id == "" {
		id = list.Default
	}
	if len(id) > list.MaxID || len(webhookID) > list.MaxID {
		return false, fault.New(fault.Invalid, "the list's id and the webhook's id must have at most %d bytes", list.MaxID)
	}
	for {
		duplicate, err = s.store(ctx, id, webhookID, data)
		if !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	if err != nil || duplicate {
		return duplicate, err
	}
	s.passOn(ctx, id)
	return false, nil
}

// store commits the new version together with the webhook's id. Were they two commits, a
// crash between them would lose the version or count it twice.
func (s *Service) store(ctx context.Context, id, webhookID string, data json.RawMessage) (duplicate bool, err error) {
	before, known, err := s.seen.find(ctx, sourceHook, webhookID)
	if err != nil || known {
		return known, err
	}
	l, err := s.lists.Read(ctx, id)
	if err != nil {
		return false, err
	}
	l.Version, l.Data, l.Large, l.ReceivedAt, l.WebhookID = l.Version+1, data, nil, s.now(), webhookID
	l.Traceparent = trace.Parent(ctx)
	told := s.told(ctx, l)
	with := told
	if webhookID != "" {
		w := s.seen.write(sourceHook, webhookID)
		w.Doc.Rev = before
		with = append(with, w)
	}
	if err := s.lists.Commit(ctx, l, with...); err != nil {
		return false, err
	}
	s.outbox.Committed(told)
	return false, nil
}

// mostTold is the most bytes of a list that its occurrence carries. Of a larger list,
// subscribers to changes get only the version. Targets of the list itself get any size.
const mostTold = 128 << 10

// told returns the write that tells of the list's new version.
func (s *Service) told(ctx context.Context, l *list.List) []store.Write {
	if !s.outbox.Wants(ctx, occurrence.List, l.ID) {
		return nil
	}
	data := l.Data
	if len(data) > mostTold {
		data = nil
	}
	return s.outbox.Writes(ctx, occurrence.Occurrence{
		ID: event.RandomID(), Type: occurrence.List, Source: "/headgate", Subject: l.ID, Time: l.ReceivedAt,
		Data: list.Encode(struct {
			Data    json.RawMessage `json:"data,omitempty"`
			List    string          `json:"externalTaskListId"`
			Version int64           `json:"version"`
		}{data, l.ID, l.Version}),
	})
}

// passOnTime bounds how long the source waits while we pass on its change.
const passOnTime = 10 * time.Second

// passOn announces the change. It continues if the source hangs up: the source would send
// the webhook again, but as a duplicate that passes nothing on.
func (s *Service) passOn(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), passOnTime)
	defer cancel()
	open, err := s.sessions.of(ctx, id)
	if err != nil {
		s.log.Warn("the sessions of a list cannot be read", "list", id, "error", err)
	}
	if s.changed != nil {
		s.changed(ctx, id, open)
	}
}
