// Package rest holds the common parts of the sources that speak JSON over HTTP: calls
// whose errors are written for people, and rows made from JSON objects.
//
// A Client with To calls that one host only, also by a redirect, because its calls carry
// credentials. No error repeats a credential, even if the server does.
package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/sync/source"
)

const (
	// DefaultTimeout bounds a call with its retries and its answer.
	DefaultTimeout = 60 * time.Second
	// DefaultLimit is the size in bytes of the largest answer that is read.
	DefaultLimit = 64 << 20
	// smallAnswer is the size in bytes from which an answer's memory is reserved.
	smallAnswer = 64 << 10
	// maxMessage is the most bytes of a server's message that people see.
	maxMessage = 300
	// mostHidden is the most bytes of a message that are searched for secrets. What is behind
	// them is not shown.
	mostHidden = 64 << 10
)

// Client calls one system.
type Client struct {
	HTTP    *http.Client
	Timeout time.Duration       // for one call; 0: DefaultTimeout
	Sign    func(*http.Request) // adds the credentials; may be nil
	Secrets []string            // texts that no error may show, even if the server repeats them
	To      string              // the only host:port to call; "": any
	Limit   int64               // largest answer in bytes; 0: DefaultLimit
	Now     func() time.Time    // nil: time.Now
	Memory  *budget.Budget      // bounds the answers that are being read and decoded; nil: no bound

	health health
}

// Answer is a successful answer of a system.
type Answer struct {
	Status int
	Header http.Header
	Body   any       // decoded JSON, numbers as json.Number; nil if there was none
	Raw    []byte    // the body's bytes as UTF-8
	Clock  time.Time // the system's clock, or ours if the answer has no Date
}

// Call sends body as JSON, unless it is nil, and reads the answer. An error of the call is
// a *fault.Error, with the code Unavailable if a later retry may help. The error names
// only the host of the URL, because paths and queries may hold keys and credentials.
func (c *Client) Call(ctx context.Context, method, target string, header http.Header, body any) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	req, err := c.request(ctx, method, target, header, body)
	if err != nil {
		return nil, err
	}
	host := req.URL.Host
	resp, err := c.bound().Do(req)
	if err != nil {
		return nil, c.failed(host, err)
	}
	defer resp.Body.Close()
	limit := cmp.Or(c.Limit, DefaultLimit)
	hold := c.Memory.Hold()
	defer hold.Release()
	raw, err := readAll(ctx, hold, resp.Body, limit, host)
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Raw: raw, Clock: c.clock(resp.Header)}
	if resp.StatusCode >= 300 {
		return nil, c.refused(host, a)
	}
	c.health.succeeded(method)
	if raw, err = utf8Text(ctx, hold, resp.Header.Get("Content-Type"), raw, host); err != nil {
		return nil, err
	}
	a.Raw = raw
	if len(bytes.TrimSpace(raw)) == 0 {
		return a, nil
	}
	if len(raw) >= smallAnswer {
		if err := room(ctx, hold, budget.OfJSON(raw), host); err != nil {
			return nil, err
		}
	}
	if a.Body, err = decode.Lossless(raw); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the answer of %s is not JSON, or only a part of it came", host)
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, method, target string, header http.Header, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the request cannot be written as JSON")
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, fault.New(fault.Invalid, "a URL of the data source cannot be called")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.reaches(req.URL) {
		return nil, fault.New(fault.Invalid, "a URL of the data source leads to %s, and its credentials are for %s", req.URL.Host, c.To)
	}
	if c.Sign != nil {
		c.Sign(req)
	}
	return req, nil
}

// bound returns an HTTP client that follows no redirect to another host than To. The
// request after a redirect would carry the credentials there.
func (c *Client) bound() *http.Client {
	if c.To == "" {
		return c.HTTP
	}
	out, follow := *c.HTTP, c.HTTP.CheckRedirect
	out.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if !c.reaches(req.URL) {
			return fault.New(fault.Invalid, "%s redirects to %s, which is not followed: the credentials are for %s", via[0].URL.Host, req.URL.Host, c.To)
		}
		if follow != nil {
			return follow(req, via)
		}
		if len(via) >= 10 { // as net/http does without a rule
			return fault.New(fault.Invalid, "%s redirects more than 10 times", via[0].URL.Host)
		}
		return nil
	}
	return &out
}

// reaches reports whether the client may call the URL.
func (c *Client) reaches(u *url.URL) bool {
	return c.To == "" || source.Datasource{URL: u.String()}.To() == c.To
}

// failed returns the error for a call that got no answer.
func (c *Client) failed(host string, err error) error {
	if r, ok := errors.AsType[*fence.Refusal](err); ok {
		return r
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f // drops the URL that net/http adds
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(fault.Unavailable, context.DeadlineExceeded, "%s did not answer in time", host)
	}
	return fault.Wrap(fault.Unavailable, fault.WithoutURL(err), "%s does not answer", host)
}

// refused returns the error for an answer that is no success.
func (c *Client) refused(host string, a *Answer) error {
	r := &Refusal{Status: a.Status, Message: c.Clean(messageOf(a.Raw)), Wait: c.pause(a)}
	code := fault.Unavailable
	if r.Wait == 0 && (r.ForGood() || a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status < 400) {
		code = fault.Invalid
	}
	text := fmt.Sprintf("%s answers %d %s", host, a.Status, http.StatusText(a.Status))
	if r.Message != "" {
		text += ": " + r.Message
	}
	f := fault.Wrap(code, r, "%s", text)
	f.RetryAfter = r.Wait
	return f
}

// Basic returns the value of the scheme Basic for a user and a password (RFC 7617).
func Basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// Clean makes a server's message safe to show: one line of bounded length, without the
// client's secrets, however the server spells them.
func (c *Client) Clean(text string) string {
	text = credential.Hide(text[:min(len(text), mostHidden)], c.Secrets)
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) { // Cf includes characters that change the writing direction
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// Words returns the error that an answer with a status of success reports all the same, safe
// to show, or "".
func (c *Client) Words(a *Answer) string {
	m, _ := a.Body.(map[string]any)
	for _, name := range []string{"errors", "error"} {
		if !none(m[name]) {
			return c.Clean(cmp.Or(messageIn(m), "an error"))
		}
	}
	return ""
}

// none reports whether a member that is named like an error says that there was none, such
// as a count of 0.
func none(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	case json.Number:
		n, err := v.Float64()
		return err == nil && n == 0
	}
	return v == nil || v == false || v == ""
}

// messageOf finds the message in an answer. It knows the forms of RFC 9457 and LoopBack
// and the most common others. It returns "" for a page of HTML.
func messageOf(raw []byte) string {
	v, err := decode.Lossless(raw)
	if err != nil {
		if text := strings.TrimSpace(string(raw)); !strings.HasPrefix(text, "<") {
			return text
		}
		return ""
	}
	return messageIn(v)
}

func messageIn(v any) string {
	for range 3 {
		switch t := v.(type) {
		case string:
			return t
		case map[string]any:
			v = cmp.Or[any](t["detail"], t["message"], t["error"], t["title"], t["msg"])
			if list, ok := t["errors"].([]any); ok && v == nil && len(list) > 0 {
				v = list[0]
			}
		default:
			return ""
		}
	}
	return ""
}

// clock returns the server's clock from the header Date, or ours without one. Date is cut
// to the second, so it is never ahead of the server's clock, and a cursor that is bounded
// by it passes no row that is still to come.
func (c *Client) clock(h http.Header) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t.UTC()
	}
	if c.Now != nil {
		return c.Now().UTC()
	}
	return time.Now().UTC()
}
