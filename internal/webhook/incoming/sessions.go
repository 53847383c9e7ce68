package incoming

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
)

// Session is a document that people have open, with lists in it.
type Session struct {
	TenantID   string `json:"tenantId"`
	DocumentID string `json:"documentId"`
}

// ID returns the id under which live clients subscribe to the session.
func (s Session) ID() string { return url.PathEscape(s.TenantID) + "/" + url.PathEscape(s.DocumentID) }

const (
	maxSession  = 1000            // bytes of a session's id: the limit for every document's id
	settleTime  = 5 * time.Second // to store the source's answer, even if the caller is gone
	pollWatches = 50 * time.Millisecond
)

// SessionOptions configure Sessions.
type SessionOptions struct {
	Docs store.Docs
	Log  *slog.Logger
	Now  func() time.Time // nil: time.Now
	// HTTP calls the source. It follows no redirect and repeats nothing. nil refuses.
	HTTP *http.Client
	// Upstream is the URL of the source with which sessions register us; "": none.
	Upstream string
	// Lists are those for which we stay registered without sessions.
	Lists []string
	// Many says that many processes start on the store. They register once, and not at each start.
	Many bool
	// PublicURL is our own URL, without a slash at the end.
	PublicURL string
}

// Sessions knows which sessions have which lists open. It keeps us registered with the
// source for a list while any session has the list open, and always for the lists of
// SessionOptions.Lists. All methods may be called concurrently.
type Sessions struct {
	docs   store.Docs
	log    *slog.Logger
	now    func() time.Time
	source source
	many   bool
}

// NewSessions returns the sessions that the store has.
func NewSessions(o SessionOptions) *Sessions {
	return &Sessions{docs: o.Docs, log: o.Log, now: micros(o.Now), source: newSource(o), many: o.Many}
}

var sessionDocs = store.Collection{Kind: "sessions", Scope: "sessions"}

// of returns the sessions that have the list open.
func (s *Sessions) of(ctx context.Context, id string) ([]Session, error) {
	w, err := s.readWatch(ctx, id)
	if err != nil {
		return nil, err
	}
	return w.Sessions, nil
}

// ListsOf returns the lists that a session has open.
func (s *Sessions) ListsOf(ctx context.Context, session string) (open []string, err error) {
	docs, err := s.docs.Get(ctx, sessionDocs, []string{session})
	if err != nil || docs[0] == nil {
		return nil, err
	}
	err = json.Unmarshal(docs[0].Body, &open)
	return open, err
}

// Open adds a list to a session. The first session of a list registers us with the
// source. If that fails, so does Open, and the caller may repeat it.
func (s *Sessions) Open(ctx context.Context, x Session, id string) error {
	switch {
	case len(id) > list.MaxID:
		return fault.New(fault.Invalid, "externalTaskListId has at most %d bytes", list.MaxID)
	case len(x.ID()) > maxSession:
		return fault.New(fault.Invalid, "tenantId/documentId, escaped for a URL, has at most %d bytes", maxSession)
	}
	return s.change(ctx, x, id, true)
}

// End removes a session from all of its lists. The last session of a list unregisters us
// from the source. To end an unknown session changes nothing.
func (s *Sessions) End(ctx context.Context, x Session) error {
	open, err := s.ListsOf(ctx, x.ID())
	if err != nil {
		return err
	}
	for _, id := range open {
		if err := s.change(ctx, x, id, false); err != nil {
			return err
		}
	}
	return nil
}

// change opens the list for the session, or closes it.
func (s *Sessions) change(ctx context.Context, x Session, id string, open bool) error {
	for doubt := false; ; {
		w, err := s.idleWatch(ctx, id)
		if err != nil {
			return err
		}
		next := w.with(x, open)
		first := len(w.Sessions) == 0 // it asks even if a start registered us: the source may have forgotten
		if path := s.source.toAsk(next, doubt || first || !w.AskingUntil.IsZero()); path == "" {
			err = s.put(ctx, next, x)
		} else if err = s.hold(ctx, w); err == nil {
			doubt = true // if the commit below conflicts, the source may already have agreed
			err = s.ask(ctx, w, next, x, path)
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// idleWatch waits until nobody asks the source about the list, and returns its watch.
func (s *Sessions) idleWatch(ctx context.Context, id string) (*watch, error) {
	for {
		w, err := s.readWatch(ctx, id)
		if err != nil || clock.Over(w.AskingUntil, s.now(), askingTime) {
			return w, err
		}
		select {
		case <-time.After(pollWatches):
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "the source does not answer: the session is not changed; send the request again")
		}
	}
}

// hold keeps others from asking the source about the list.
func (s *Sessions) hold(ctx context.Context, w *watch) error {
	w.AskingUntil = s.now().Add(askingTime)
	revs, err := s.docs.Commit(ctx, []store.Write{w.write()})
	if err == nil {
		w.rev = revs[0]
	}
	return err
}

// ask asks the source, and ends the hold. It stores next if the source agreed, and
// otherwise the unchanged watch.
func (s *Sessions) ask(ctx context.Context, w, next *watch, x Session, path string) error {
	refused := s.source.call(ctx, path, w.List)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if refused == nil {
		next.rev, next.Registered, next.AskingUntil = w.rev, path == registerPath, time.Time{}
		return s.put(ctx, next, x)
	}
	w.AskingUntil = s.now()
	if _, err := s.docs.Commit(ctx, []store.Write{w.write()}); err != nil {
		s.log.Warn("changes to the sessions of a list wait until the call of the source has surely ended", "list", w.List, "error", err)
	}
	return refused
}

// put commits the watch together with the session's lists, so that the two never differ.
// store.ErrConflict means that the watch changed.
func (s *Sessions) put(ctx context.Context, w *watch, x Session) error {
	for {
		writes, err := s.writes(ctx, w, x)
		if err != nil {
			return err
		}
		_, err = s.docs.Commit(ctx, append(writes, w.write()))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		now, readErr := s.readWatch(ctx, w.List)
		if readErr != nil || now.rev != w.rev {
			return errors.Join(readErr, err)
		} // else the session opened or closed another list meanwhile: try again
	}
}

func (s *Sessions) writes(ctx context.Context, w *watch, x Session) ([]store.Write, error) {
	docs, err := s.docs.Get(ctx, sessionDocs, []string{x.ID()})
	if err != nil {
		return nil, err
	}
	d := store.Doc{ID: x.ID()}
	var open []string
	if docs[0] != nil {
		d.Rev = docs[0].Rev
		if err := json.Unmarshal(docs[0].Body, &open); err != nil {
			return nil, err
		}
	}
	open = toggled(open, w.List, slices.Contains(w.Sessions, x))
	switch {
	case len(open) > 0:
		d.Body = list.Encode(open)
		return []store.Write{{Collection: sessionDocs, Doc: d}}, nil
	case d.Rev != "":
		return []store.Write{{Collection: sessionDocs, Doc: d, Delete: true}}, nil
	}
	return nil, nil
}
