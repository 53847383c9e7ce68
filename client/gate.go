package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Gate is a deployment of Headgate, or one of its services. It may be used concurrently, and
// must not be changed after its first use.
type Gate struct {
	// URL is the deployment's, as in "https://gate.example.com". Of a deployment with several
	// services it may be a service's, as in "https://gate.example.com/services/orders".
	URL string
	// Token proves who calls, where the server asks for that. It is nil if it does not.
	Token TokenSource
	// HTTP makes the calls; nil is http.DefaultClient. Redirects are never followed.
	HTTP *http.Client
}

// TokenSource returns a bearer token. It is called before each attempt, so it should keep a
// token for as long as that is valid. If it fails, the call fails at once.
type TokenSource func(context.Context) (string, error)

// Token returns a source of a token that does not expire.
func Token(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// call is a request that may be sent several times.
type call struct {
	method, path string
	header       http.Header
	body         []byte
}

// do sends the call until its answer is final or ctx ends, and has read read an answer of
// success. If read fails, because the answer broke off, the call is sent again.
func (g *Gate) do(ctx context.Context, c call, read func(io.Reader) error) error {
	base, err := url.Parse(strings.TrimRight(g.URL, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return errors.New("headgate: the URL of the gate must be http or https, with a host, and without credentials and a query") // it is not shown: it may have some
	}
	if err := checkHeader(c.header); err != nil {
		return err
	}
	return exchange(ctx, func(ctx context.Context) error { return g.attempt(ctx, base.String()+c.path, c, read) })
}

// attempt sends the call once.
func (g *Gate) attempt(ctx context.Context, address string, c call, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, c.method, address, bytes.NewReader(c.body))
	if err != nil {
		return &final{err}
	}
	maps.Copy(req.Header, c.header.Clone())
	req.Header.Set("User-Agent", "Headgate-Client-Go")
	if g.Token != nil {
		token, err := g.Token(ctx)
		if err != nil {
			return &final{fmt.Errorf("headgate: no token: %w", err)}
		}
		req.Header.Set("Authorization", "Bearer "+token)
		if err := checkHeader(req.Header); err != nil {
			return &final{errors.New("headgate: the token is no line of text")}
		}
	}
	resp, err := g.client().Do(req)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer resp.Body.Close()
	resp.Body = &watched{resp.Body, watch}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return errorOf(resp)
	}
	return causeOf(ctx, read(resp.Body))
}

// causeOf returns the cause of the end of ctx, if that made the call fail: net/http would
// only say "canceled".
func causeOf(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

// watched is a body whose every read postpones the end of the attempt.
type watched struct {
	io.ReadCloser
	watch *time.Timer
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.ReadCloser.Read(b)
	w.watch.Reset(silence)
	return n, err
}

// client returns the HTTP client without redirects: net/http would follow some of them with
// GET and no body, and the server would store an empty event.
func (g *Gate) client() *http.Client {
	c := http.Client{}
	if g.HTTP != nil {
		c = *g.HTTP
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// checkHeader returns an error for what net/http would refuse to send at each attempt.
func checkHeader(h http.Header) error {
	for name, values := range h {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
			return fmt.Errorf("headgate: %q is not the name of a header", name)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("headgate: the header %s must be a line of text", name)
			}
		}
	}
	return nil
}
