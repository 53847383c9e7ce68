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

	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/store"
)

// Session is a document that people have open, with a list in it.
type Session struct {
	TenantID   string `json:"tenantId"`
	DocumentID string `json:"documentId"`
}

// ID names the session to live clients.
func (s Session) ID() string { return url.PathEscape(s.TenantID) + "/" + url.PathEscape(s.DocumentID) }

// watch is a list's sessions, and whether the source calls us for it.
type watch struct {
	List       string    `json:"list"`
	Sessions   []Session `json:"sessions"`
	Registered bool      `json:"registered"`

	rev string
}

var (
	watches  = store.Collection{Kind: "sessions", Scope: "lists"}
	sessions = store.Collection{Kind: "sessions", Scope: "sessions"}
)

const upstreamTime = 15 * time.Second

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
	for {
		w, err := s.readWatch(ctx, list)
		if err != nil {
			return err
		}
		if s.o.Upstream != "" && !w.Registered {
			if err := s.upstream(ctx, "/register-for-webhook", list); err != nil {
				return err
			}
			w.Registered = true
		}
		docs, err := s.docs.Get(ctx, sessions, []string{x.ID()})
		if err != nil {
			return fault.StoreAway(err)
		}
		var open []string
		rev := ""
		if docs[0] != nil {
			rev = docs[0].Rev
			if err := json.Unmarshal(docs[0].Body, &open); err != nil {
				return err
			}
		}
		if !slices.Contains(open, list) {
			open = append(open, list)
		}
		if !slices.Contains(w.Sessions, x) {
			w.Sessions = append(w.Sessions, x)
		}
		_, err = s.docs.Commit(ctx, []store.Write{
			w.write(), {Collection: sessions, Doc: store.Doc{ID: x.ID(), Body: mustJSON(open), Rev: rev}},
		})
		if !errors.Is(err, store.ErrConflict) {
			return fault.StoreAway(err)
		}
	}
}

// End removes a session from all of its lists. The last of a list has us
// unregister from the source. To end one that is not there changes nothing.
func (s *Service) End(ctx context.Context, x Session) error {
	open, err := s.ListsOf(ctx, x.ID())
	if err != nil {
		return err
	}
	for _, list := range open {
		if err := s.leave(ctx, x, list); err != nil {
			return err
		}
	}
	_, err = s.docs.Commit(ctx, []store.Write{{Collection: sessions, Doc: store.Doc{ID: x.ID()}, Delete: true, Any: true}})
	return fault.StoreAway(err)
}

func (s *Service) leave(ctx context.Context, x Session, list string) error {
	for {
		w, err := s.readWatch(ctx, list)
		if err != nil {
			return err
		}
		w.Sessions = slices.DeleteFunc(w.Sessions, func(o Session) bool { return o == x })
		if len(w.Sessions) == 0 && w.Registered {
			if err := s.upstream(ctx, "/unregister-webhook", list); err != nil {
				return err
			}
			w.Registered = false
		}
		if _, err := s.docs.Commit(ctx, []store.Write{w.write()}); !errors.Is(err, store.ErrConflict) {
			return fault.StoreAway(err)
		}
	}
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
		return fault.Wrap(fault.Unavailable, err, "the source does not answer: the session is not changed; send the request again")
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fault.New(fault.Unavailable, "the source answers %s to %s: the session is not changed; send the request again", resp.Status, path)
	}
	return nil
}
