package echo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Formats of deliveries.
const (
	Plain       = "json"
	CloudEvents = "cloudevents"
)

// States of a target.
const (
	Active = "active"
	Paused = "paused" // it failed for long; its deliveries are kept
)

// Target is a URL that asked to be called when a list changes.
type Target struct {
	ID        string    `json:"id"`
	URL       string    `json:"url"`
	List      string    `json:"externalTaskListId"`
	Format    string    `json:"format"`
	Secret    string    `json:"secret,omitempty"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"createdAt"`

	Version      int64     `json:"version"`            // of the list, that it has a delivery of
	Next         int64     `json:"next"`               // number of the next delivery
	Head         int64     `json:"head"`               // number of the oldest that is not delivered
	Newest       int64     `json:"newest,omitempty"`   // number of the delivery of Version; 0: none
	Replaced     int64     `json:"replaced,omitempty"` // versions that Newest took the place of
	Dropped      int64     `json:"dropped,omitempty"`  // deliveries that were not made because too many waited
	Failures     int       `json:"failures,omitempty"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	NextAttempt  time.Time `json:"nextAttempt,omitzero"`
	// Wait is how far ahead NextAttempt was set: one that is further was set by a
	// clock that was ahead.
	Wait       time.Duration `json:"wait,omitempty"`
	LastStatus int           `json:"lastStatus,omitempty"`
	LastError  string        `json:"lastError,omitempty"`
	LeaseUntil time.Time     `json:"leaseUntil,omitzero"`

	rev string
}

// Waiting is how many deliveries are to be made.
func (t *Target) Waiting() int64 { return t.Next - t.Head }

// due reports whether the target is nobody's and need not wait any more.
func (t *Target) due(now time.Time) bool {
	return clock.Over(t.NextAttempt, now, cmp.Or(t.Wait, longestWait)) && clock.Over(t.LeaseUntil, now, leaseTime)
}

// docID puts the targets of a list together.
func (t *Target) docID() string { return targetPrefix(t.List) + t.ID }

func targetPrefix(list string) string { return url.PathEscape(list) + "/" }

func (t *Target) write() store.Write {
	d := store.Doc{ID: t.docID(), Body: mustJSON(t), Rev: t.rev}
	if t.State == Active && t.Waiting() > 0 {
		d.Order = max(1, max(t.NextAttempt.UnixMicro(), t.LeaseUntil.UnixMicro()))
	}
	return store.Write{Collection: targets, Doc: d}
}

func parseTarget(d store.Doc) (*Target, error) {
	t := &Target{rev: d.Rev}
	return t, json.Unmarshal(d.Body, t)
}

// legible is the target, or nil: one that cannot be read holds up no other.
func (s *Service) legible(d store.Doc) *Target {
	t, err := parseTarget(d)
	if err != nil {
		s.o.Log.Error("a webhook that is registered cannot be read, and is left out", "document", d.ID, "error", err)
		return nil
	}
	return t
}

// readTarget is nil if it is not there, or cannot be read.
func (s *Service) readTarget(ctx context.Context, docID string) (*Target, error) {
	docs, err := s.docs.Get(ctx, targets, []string{docID})
	if err != nil || docs[0] == nil {
		return nil, fault.StoreAway(err)
	}
	t, err := parseTarget(*docs[0])
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Registration is what a target asks for.
type Registration struct {
	URL    string
	List   string // "": the default one
	Format string // "": json
	Secret string // "": one is made
}

func (r *Registration) check() (*url.URL, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "url must be an http or https URL")
	}
	if u.User != nil || u.Fragment != "" || len(r.URL) > 2000 {
		return nil, fault.New(fault.Invalid, "url must have no credentials and no fragment, and at most 2000 bytes")
	}
	if r.List == "" {
		r.List = DefaultList
	}
	if len(r.List) > maxID {
		return nil, fault.New(fault.Invalid, "externalTaskListId has at most %d bytes", maxID)
	}
	if r.Format == "" {
		r.Format = Plain
	}
	if r.Format != Plain && r.Format != CloudEvents {
		return nil, fault.New(fault.Invalid, "format must be %s or %s", Plain, CloudEvents)
	}
	if r.Secret != "" && (!strings.HasPrefix(r.Secret, "whsec_") || signature.CheckSecret(r.Secret) != nil) {
		return nil, fault.New(fault.Invalid, "secret must be whsec_ and base64 of 16 bytes or more")
	}
	return u, nil
}

// Register adds a URL that is called when the list changes, if the URL consents. To
// register it again changes nothing. Only the first answer has the secret.
func (s *Service) Register(ctx context.Context, r Registration) (t *Target, created bool, err error) {
	u, err := r.check()
	if err != nil {
		return nil, false, err
	}
	t = &Target{ID: idOf(r.URL, r.List), URL: r.URL, List: r.List}
	for {
		docs, err := s.docs.Get(ctx, targets, []string{t.docID()})
		if err != nil {
			return nil, false, fault.StoreAway(err)
		}
		if docs[0] != nil {
			if t, err = parseTarget(*docs[0]); err != nil {
				return nil, false, err
			}
			t.Secret = ""
			return t, false, nil
		}
		if err := s.consent(ctx, u); err != nil {
			return nil, false, err
		}
		l, err := s.readList(ctx, r.List)
		if err != nil {
			return nil, false, err
		}
		t.Format, t.Secret, t.State, t.CreatedAt, t.Next, t.Head = r.Format, r.Secret, Active, s.now(), 1, 1
		t.Version = l.Version // it is told of what changes from now on
		if t.Secret == "" {
			t.Secret = signature.NewSecret()
		}
		_, err = s.docs.Commit(ctx, []store.Write{t.write(), {
			Collection: store.Collection{Kind: "listed"}, Doc: store.Doc{ID: r.List, Body: []byte(`{}`)}, Any: true,
		}})
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		return t, true, fault.StoreAway(err)
	}
}

// consent asks a target whether it wants to be called: the handshake of the
// CloudEvents specification, HTTP 1.1 Web Hooks for Event Delivery.
func (s *Service) consent(ctx context.Context, u *url.URL) error {
	if s.o.Consents != nil && s.o.Consents(u) {
		return nil
	}
	origin := "headgate"
	if public, err := url.Parse(s.o.PublicURL); err == nil && public.Host != "" {
		origin = public.Hostname()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, u.String(), nil)
	if err != nil {
		return fault.New(fault.Invalid, "url cannot be called")
	}
	req.Header.Set("WebHook-Request-Origin", origin)
	resp, err := s.o.HTTP.Do(req)
	if err != nil {
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return fault.Wrap(fault.Invalid, fault.WithoutURL(err), "the URL cannot be asked for its consent: %s", f.Message)
		}
		return fault.Wrap(fault.Invalid, fault.WithoutURL(err), "the URL cannot be asked for its consent: %s does not answer", u.Host)
	}
	_ = resp.Body.Close()
	allowed := resp.Header.Get("WebHook-Allowed-Origin")
	if resp.StatusCode >= 300 || allowed != "*" && !strings.EqualFold(allowed, origin) {
		return fault.New(fault.Forbidden,
			"%s does not consent to be called: it must answer OPTIONS with 200 and WebHook-Allowed-Origin: %s, or be listed in echo.allowTargets", u.Host, origin)
	}
	return nil
}

// Unregister has the URL called no more. was is whether it had been registered.
// Invalid: nobody ever asked for this list.
func (s *Service) Unregister(ctx context.Context, r Registration) (was bool, err error) {
	if _, err := r.check(); err != nil {
		return false, err
	}
	t := &Target{ID: idOf(r.URL, r.List), List: r.List}
	docs, err := s.docs.Get(ctx, targets, []string{t.docID()})
	if err != nil {
		return false, fault.StoreAway(err)
	}
	if docs[0] == nil {
		listed, err := s.docs.Get(ctx, store.Collection{Kind: "listed"}, []string{r.List})
		if err != nil {
			return false, fault.StoreAway(err)
		}
		if listed[0] == nil {
			return false, fault.New(fault.Invalid, "no webhook was ever registered for the list %q", r.List)
		}
		return false, nil
	}
	_, err = s.docs.Commit(ctx, []store.Write{{Collection: targets, Doc: store.Doc{ID: t.docID()}, Delete: true, Any: true}})
	return true, fault.StoreAway(err)
}

// Targets are those of a list, or of all where it is "", without secrets: a URL may have
// one too.
func (s *Service) Targets(ctx context.Context, list string) ([]*Target, error) {
	out := []*Target{}
	err := s.eachTarget(ctx, list, func(t *Target) error {
		t.Secret, t.URL = "", credential.RedactURL(t.URL)
		out = append(out, t)
		return nil
	})
	return out, err
}

func (s *Service) eachTarget(ctx context.Context, list string, do func(*Target) error) error {
	prefix := ""
	if list != "" {
		prefix = targetPrefix(list)
	}
	for after := prefix; ; {
		docs, err := s.docs.List(ctx, store.Listing{Collection: targets, After: store.Position{ID: after}, Limit: 200})
		if err != nil {
			return fault.StoreAway(err)
		}
		for _, d := range docs {
			after = d.ID
			if !strings.HasPrefix(d.ID, prefix) {
				return nil
			}
			if t := s.legible(d); t == nil {
				continue
			} else if err := do(t); err != nil {
				return err
			}
		}
		if len(docs) < 200 {
			return nil
		}
	}
}

// target finds one by its id.
func (s *Service) target(ctx context.Context, id string) (found *Target, err error) {
	err = s.eachTarget(ctx, "", func(t *Target) error {
		if t.ID == id {
			found = t
		}
		return nil
	})
	if err == nil && found == nil {
		err = fault.New(fault.NotFound, "no webhook %q is registered", id)
	}
	return found, err
}
