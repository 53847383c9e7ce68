package echo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// Session is a document that people have open, with a list in it.
type Session struct {
	TenantID   string `json:"tenantId"`
	DocumentID string `json:"documentId"`
}

// ID names the session to live clients.
func (s Session) ID() string { return url.PathEscape(s.TenantID) + "/" + url.PathEscape(s.DocumentID) }

// watch is a list's sessions, and whether the source calls us for it. Who asks the
// source for a change has the watch for itself until it is answered: else an
// unregistration that is on its way could undo a registration that came after it.
type watch struct {
	List       string    `json:"list"`
	Sessions   []Session `json:"sessions"`
	Registered bool      `json:"registered"`
	// AskingUntil is when who asks the source has given up for certain. One that is
	// past: nobody heard what the source did.
	AskingUntil time.Time `json:"askingUntil,omitzero"`

	rev string
}

var (
	watches  = store.Collection{Kind: "sessions", Scope: "lists"}
	sessions = store.Collection{Kind: "sessions", Scope: "sessions"}
)

// Paths of the source.
const (
	registerPath   = "/register-for-webhook"
	unregisterPath = "/unregister-webhook"
)

const (
	maxSession   = 1000 // bytes of its id, as of any document's
	upstreamTime = 15 * time.Second
	settleTime   = 5 * time.Second // to store what the source did, though the caller is gone
	askingTime   = 30 * time.Second
	askingPoll   = 50 * time.Millisecond
)

func (s *Service) readWatch(ctx context.Context, list string) (*watch, error) {
	docs, err := s.docs.Get(ctx, watches, []string{list})
	if err != nil {
		return nil, fault.StoreAway(err)
	}
	w := &watch{List: list}
	if docs[0] == nil {
		return w, nil
	}
	err = json.Unmarshal(docs[0].Body, w)
	w.rev = docs[0].Rev
	return w, err
}

func (w *watch) write() store.Write {
	return store.Write{Collection: watches, Doc: store.Doc{ID: w.List, Body: mustJSON(w), Rev: w.rev}}
}

func (s *Service) sessionsOf(ctx context.Context, list string) ([]Session, error) {
	w, err := s.readWatch(ctx, list)
	if err != nil {
		return nil, err
	}
	return w.Sessions, nil
}

// ListsOf are the lists that a session has open.
func (s *Service) ListsOf(ctx context.Context, session string) (open []string, err error) {
	docs, err := s.docs.Get(ctx, sessions, []string{session})
	if err != nil || docs[0] == nil {
		return nil, fault.StoreAway(err)
	}
	err = json.Unmarshal(docs[0].Body, &open)
	return open, err
}

// Open adds a session of a list. The first has us register with the source: if that
// fails, so does the call, and it may be repeated.
func (s *Service) Open(ctx context.Context, x Session, list string) error {
	switch {
	case len(list) > maxID:
		return fault.New(fault.Invalid, "externalTaskListId has at most %d bytes", maxID)
	case len(x.ID()) > maxSession:
		return fault.New(fault.Invalid, "tenantId/documentId, escaped for a URL, has at most %d bytes", maxSession)
	}
	return s.change(ctx, x, list, true)
}

// End removes a session from all of its lists. The last of a list has us
// unregister from the source. To end one that is not there changes nothing.
func (s *Service) End(ctx context.Context, x Session) error {
	open, err := s.ListsOf(ctx, x.ID())
	if err != nil {
		return err
	}
	for _, list := range open {
		if err := s.change(ctx, x, list, false); err != nil {
			return err
		}
	}
	return nil
}

// change has the session open the list, or leave it.
func (s *Service) change(ctx context.Context, x Session, list string, open bool) error {
	for doubt := false; ; {
		w, err := s.idleWatch(ctx, list)
		if err != nil {
			return err
		}
		next := w.with(x, open)
		if path := s.toAsk(next, doubt || !w.AskingUntil.IsZero()); path == "" {
			err = s.put(ctx, next, x)
		} else if err = s.hold(ctx, w); err == nil {
			doubt = true // if we take too long, ours may be what the source did last
			err = s.ask(ctx, w, next, x, path)
		}
		if !errors.Is(err, store.ErrConflict) {
			return fault.StoreAway(err)
		}
	}
}

// idleWatch is the watch when nobody asks the source for a change.
func (s *Service) idleWatch(ctx context.Context, list string) (*watch, error) {
	for {
		w, err := s.readWatch(ctx, list)
		if err != nil || clock.Over(w.AskingUntil, s.now(), askingTime) {
			return w, err
		}
		select {
		case <-time.After(askingPoll):
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "the source does not answer: the session is not changed; send the request again")
		}
	}
}

// with is the watch once the session has the list open, or not.
func (w *watch) with(x Session, open bool) *watch {
	next := *w
	next.Sessions = toggled(w.Sessions, x, open)
	return &next
}

// toggled is a new slice with v in it, or without.
func toggled[T comparable](all []T, v T, in bool) []T {
	if in && slices.Contains(all, v) {
		return slices.Clone(all)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(o T) bool { return o == v })
	if in {
		all = append(all, v)
	}
	return all
}

// toAsk is the path of what the source must be asked, so that it calls us if and only
// if there are sessions; "": nothing. In doubt it may not do what it was asked before.
func (s *Service) toAsk(w *watch, doubt bool) string {
	switch {
	case s.o.Upstream == "":
	case len(w.Sessions) > 0 && (doubt || !w.Registered):
		return registerPath
	case len(w.Sessions) == 0 && w.Registered:
		return unregisterPath
	}
	return ""
}

// hold takes the watch from others while the source is asked.
func (s *Service) hold(ctx context.Context, w *watch) error {
	w.AskingUntil = s.now().Add(askingTime)
	revs, err := s.docs.Commit(ctx, []store.Write{w.write()})
	if err == nil {
		w.rev = revs[0]
	}
	return err
}

// ask asks the source and lets go of the watch: as next if it did, else as it was.
func (s *Service) ask(ctx context.Context, w, next *watch, x Session, path string) error {
	asked := s.upstream(ctx, path, w.List)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if asked == nil {
		next.rev, next.Registered, next.AskingUntil = w.rev, path == registerPath, time.Time{}
		return s.put(ctx, next, x)
	}
	w.AskingUntil = s.now()
	if _, err := s.docs.Commit(ctx, []store.Write{w.write()}); err != nil {
		s.o.Log.Warn("the sessions of a list wait until it is sure that the source is not asked", "list", w.List, "error", err)
	}
	return asked
}

// put commits the watch together with what the session has open, so that the two
// never differ. ErrConflict: the watch changed.
func (s *Service) put(ctx context.Context, w *watch, x Session) error {
	for {
		writes, err := s.sessionWrites(ctx, w, x)
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
		} // else the session opened or left another list meanwhile
	}
}

func (s *Service) sessionWrites(ctx context.Context, w *watch, x Session) ([]store.Write, error) {
	docs, err := s.docs.Get(ctx, sessions, []string{x.ID()})
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
		d.Body = mustJSON(open)
		return []store.Write{{Collection: sessions, Doc: d}}, nil
	case d.Rev != "":
		return []store.Write{{Collection: sessions, Doc: d, Delete: true}}, nil
	}
	return nil, nil
}

// upstream registers us with the source for a list, or unregisters.
func (s *Service) upstream(ctx context.Context, path, list string) error {
	if s.o.PublicURL == "" {
		return fault.New(fault.Unavailable, "the source cannot be told where to call: publicURL is not configured")
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamTime)
	defer cancel()
	ours := s.o.PublicURL + "/external-data-webhook?externalTaskListId=" + url.QueryEscape(list)
	body := mustJSON(map[string]string{"url": ours, "externalTaskListId": list})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.Upstream+path, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Invalid, "echo.upstream cannot be called")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.o.HTTP.Do(req)
	if err != nil {
		return fault.Wrap(fault.Unavailable, fault.WithoutURL(err), "the source does not answer: the session is not changed; send the request again")
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fault.New(fault.Unavailable, "the source answers %s to %s: the session is not changed; send the request again", fault.Status(resp.StatusCode), path)
	}
	return nil
}
