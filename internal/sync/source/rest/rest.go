// Package rest is what the sources that speak JSON over HTTP have in common: a
// call whose errors are for people, and rows made of JSON objects.
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
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/sync/source"
)

const (
	// DefaultTimeout bounds a call, its repetitions and its answer included.
	DefaultTimeout = 60 * time.Second
	// DefaultLimit is the largest answer that is read, in bytes.
	DefaultLimit = 64 << 20
	// smallAnswer is the size in bytes from which an answer counts.
	smallAnswer = 64 << 10
	// minSecret is how long what is taken out of a server's message has to be: of
	// less, no credential is made, and most messages have it in their words.
	minSecret = 4
	// maxMessage is how much of a server's message people are shown.
	maxMessage = 300
)

// Client calls one system.
type Client struct {
	HTTP    *http.Client
	Timeout time.Duration       // of a call; 0: DefaultTimeout
	Sign    func(*http.Request) // adds the credentials; may be nil
	Secrets []string            // that no error may show, even if the server repeats them
	To      string              // the only host:port that is called; "": any
	Limit   int64               // of an answer, in bytes; 0: DefaultLimit
	Now     func() time.Time    // nil: time.Now
	Memory  *budget.Budget      // for answers, while they are read and decoded; nil: no bound
}

// Answer is what a system said.
type Answer struct {
	Status int
	Header http.Header
	Body   any       // decoded JSON, numbers as json.Number; nil if there was none
	Raw    []byte    // the body as it came
	Clock  time.Time // the system's, or ours if it does not say
}

// Refusal is an answer that is none of success. It is the cause of the
// *fault.Error that Call returns.
type Refusal struct {
	Status  int
	Message string // the server's own words, without credentials
}

func (r *Refusal) Error() string { return fmt.Sprintf("status %d: %s", r.Status, r.Message) }

// ForGood is whether the refusal is of what was sent: sending it again is no use,
// and sending something else may be.
func (r *Refusal) ForGood() bool {
	switch r.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return r.Status >= 400 && r.Status < 500
}

// Call sends body as JSON, if it is not nil, and reads the answer. An error is a
// *fault.Error: Unavailable where it may help to call again later. It names the
// host and no more of the URL.
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
	if len(bytes.TrimSpace(raw)) == 0 {
		return a, nil
	}
	if len(raw) >= smallAnswer {
		if err := room(ctx, hold, budget.OfJSON(raw), host); err != nil {
			return nil, err
		}
	}
	if a.Body, err = decode.One(raw); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the answer of %s is not JSON, or only a part of it came", host)
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, method, target string, header http.Header, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "what is to be sent is not JSON")
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

// bound is the client for HTTP, which takes no credential elsewhere by a redirect.
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

// reaches reports whether the URL is on the host that the client calls.
func (c *Client) reaches(u *url.URL) bool {
	return c.To == "" || source.Datasource{URL: u.String()}.To() == c.To
}

// failed is the error of a call that was not answered.
func (c *Client) failed(host string, err error) error {
	if r, ok := errors.AsType[*fence.Refusal](err); ok {
		return r
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f // without the URL that net/http puts around it
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(fault.Unavailable, context.DeadlineExceeded, "%s did not answer in time", host)
	}
	return fault.Wrap(fault.Unavailable, fault.WithoutURL(err), "%s does not answer", host)
}

func (c *Client) refused(host string, a *Answer) error {
	r := &Refusal{Status: a.Status, Message: c.Clean(messageOf(a.Raw))}
	code := fault.Unavailable
	if r.ForGood() || a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status < 400 {
		code = fault.Invalid
	}
	text := fmt.Sprintf("%s answers %d %s", host, a.Status, http.StatusText(a.Status))
	if r.Message != "" {
		text += ": " + r.Message
	}
	return fault.Wrap(code, r, "%s", text)
}

// Basic is how a request has a user and a password.
func Basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// Clean makes a server's words fit to be shown: one line, not too long, no
// credentials, also as a URL has them.
func (c *Client) Clean(text string) string {
	for _, s := range c.Secrets {
		if len(s) < minSecret {
			continue
		}
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			text = strings.ReplaceAll(text, form, "REDACTED")
		}
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) { // nor what changes the direction of writing
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

// messageOf finds the words in an answer: of RFC 9457, of LoopBack, or of what
// most others do. A page of HTML has none.
func messageOf(raw []byte) string {
	v, err := decode.One(raw)
	if err != nil {
		if text := strings.TrimSpace(string(raw)); !strings.HasPrefix(text, "<") {
			return text
		}
		return ""
	}
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

// clock is the server's, of its Date header: to the second, and never ahead.
func (c *Client) clock(h http.Header) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t.UTC()
	}
	if c.Now != nil {
		return c.Now().UTC()
	}
	return time.Now().UTC()
}
