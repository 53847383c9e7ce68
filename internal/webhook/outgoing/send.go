package outgoing

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// sendTime bounds a call of a target.
const sendTime = 15 * time.Second

// sender calls targets.
type sender struct {
	http      *http.Client
	now       func() time.Time
	publicURL string
	patience  time.Duration
}

// send calls the target with a delivery. Its error is for people. Of the URL it shows only
// the host.
func (s sender) send(ctx context.Context, t *Target, d *Delivery) (status int, retryAfter time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	body, contentType := s.body(t, d)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return 0, 0, errors.New("the URL cannot be called")
	}
	headers, err := t.sign(d.WebhookID, s.now(), body)
	if err != nil {
		return 0, 0, err
	}
	req.Header = headers
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "Headgate")
	resp, err := s.http.Do(req)
	if err != nil {
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return 0, 0, errors.New(f.Message)
		}
		return 0, 0, fmt.Errorf("%s does not answer", req.URL.Host)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // a body that was read lets the connection be used again
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp.StatusCode, 0, nil
	}
	return resp.StatusCode, outbound.RetryAfter(resp, s.now()), fmt.Errorf("%s answers %s", req.URL.Host, fault.Status(resp.StatusCode))
}

// body returns the delivery in the target's format.
func (s sender) body(t *Target, d *Delivery) (body []byte, contentType string) {
	source := cmp.Or(s.publicURL, "/headgate")
	e := cloudEvent{"1.0", d.WebhookID, source, occurrence.List, d.List, d.CreatedAt, "application/json", struct {
		Data    json.RawMessage `json:"data"`
		List    string          `json:"externalTaskListId"`
		Version int64           `json:"version"`
	}{d.Data, d.List, d.Version}}
	switch o := d.Occurrence; {
	case d.trial:
		e.Type, e.Data = "io.headgate.test", trialBody(d)
	case o != nil:
		e.Source, e.Type, e.Subject, e.Time, e.Data = o.Source, o.Type, o.Subject, o.Time, d.Data
	}
	if t.Format != CloudEvents {
		return list.Encode(e.Data), "application/json"
	}
	return list.Encode(e), "application/cloudevents+json"
}

// cloudEvent is a CloudEvent in the JSON format.
type cloudEvent struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject,omitempty"`
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
	Data        any       `json:"data"`
}

// askConsent asks a target whether it wants to be called. It is the handshake of the
// CloudEvents specification "HTTP 1.1 Web Hooks for Event Delivery". Without it, anybody
// could make us send requests to servers of others.
func (s sender) askConsent(ctx context.Context, u *url.URL) error {
	origin := "headgate"
	if public, err := url.Parse(s.publicURL); err == nil && public.Host != "" {
		origin = public.Hostname()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, u.String(), nil)
	if err != nil {
		return fault.New(fault.Invalid, "url cannot be called")
	}
	req.Header.Set("WebHook-Request-Origin", origin)
	resp, err := s.http.Do(req)
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
