package deployment

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
)

const (
	// callTimeout bounds one call. Only that of a patient client waits for work to end.
	callTimeout = time.Minute
	// maxAnswer bounds an answer, because the address may not be a Headgate's.
	maxAnswer = 64 << 20
)

// Client calls a server.
type Client struct {
	base  string // without a slash at its end
	token string
	agent string
	http  *http.Client
}

// answer is an answer of the server.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// NewClient returns a client of the server at the address, which it checks. The token may
// be "". Nothing is called yet.
func NewClient(address, token, version string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the address of a deployment: it must look like https://gate.example.com", credential.RedactURL(address))
	}
	if u.User != nil { // every message shows the address
		return nil, errors.New("the address of a deployment has no user or password: give a token")
	}
	return &Client{
		base: strings.TrimSuffix(u.String(), "/"), token: token, agent: "headgate/" + version,
		http: &http.Client{Timeout: callTimeout, CheckRedirect: follow},
	}, nil
}

// follow follows no redirect. net/http would send the token also to other ports and subdomains
// of the host, or unencrypted, and what the body has, such as a definition, to every host.
func follow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// patient returns a client whose calls have no bound but their context.
func (c *Client) patient() *Client {
	p := *c
	p.http = &http.Client{Transport: c.http.Transport, CheckRedirect: follow}
	return &p
}

// Close lets go of connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Answers reports whether the server answers at once.
func (c *Client) Answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	a, err := c.call(ctx, http.MethodGet, "/healthz", nil)
	return err == nil && a.status == http.StatusOK
}

// call sends a request with the body as JSON and returns the answer, whatever its status.
// The path has its query.
func (c *Client) call(ctx context.Context, method, path string, body any) (*answer, error) {
	if body == nil {
		return c.request(ctx, method, path, nil, nil)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return c.request(ctx, method, path, http.Header{"Content-Type": {"application/json"}}, b)
}

// request sends the bytes with these headers and those of the client.
func (c *Client) request(ctx context.Context, method, path string, header http.Header, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	c.identify(req)
	req.Header.Set("Accept", "application/json")
	maps.Copy(req.Header, header)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s does not answer: %w", c.base, fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s did not finish its answer: %w", c.base, err)
	}
	return &answer{resp.StatusCode, resp.Header, b}, nil
}

// identify adds the headers that say who calls.
func (c *Client) identify(req *http.Request) {
	req.Header.Set("User-Agent", c.agent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
}

// Send sends the bytes with these headers, which win over those of the client. It returns
// the JSON of an answer of success. Any other answer is an error, as for Do.
func (c *Client) Send(ctx context.Context, method, path string, header http.Header, body []byte) (json.RawMessage, error) {
	a, err := c.request(ctx, method, path, header, body)
	if err != nil {
		return nil, err
	}
	var out json.RawMessage
	err = c.read(a, &out)
	return out, err
}

// Do sends a request and decodes the answer into out, unless that is nil. Any answer but
// a success is an error, with the server's message for a person.
func (c *Client) Do(ctx context.Context, method, path string, body, out any) error {
	a, err := c.call(ctx, method, path, body)
	if err != nil {
		return err
	}
	return c.read(a, out)
}

// read decodes an answer of success into out, unless that is nil. Any other answer is
// an error.
func (c *Client) read(a *answer, out any) error {
	if a.status < 200 || a.status > 299 {
		return c.refusal(a)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("%s does not answer like Headgate: %w", c.base, err)
	}
	return nil
}

// refusal returns what the server said about a request that it did not do.
func (c *Client) refusal(a *answer) error {
	var problem struct{ Detail string }
	if strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
		_ = json.Unmarshal(a.body, &problem) // a body that is not JSON has no detail
	}
	detail := strings.TrimSpace(problem.Detail)
	// Cloud Run refuses calls without a token with 403 and a page, Headgate with 401.
	denied := a.status == http.StatusUnauthorized || a.status == http.StatusForbidden && detail == ""
	switch to := a.header.Get("Location"); {
	case a.status >= 300 && a.status <= 399 && to != "":
		return fmt.Errorf("%s redirects to %s, and redirects are not followed: give the address that they lead to", c.base, credential.RedactURL(to))
	case denied && c.token == "":
		return fmt.Errorf("%s asks for a token: set HEADGATE_TOKEN, or give --token", c.base)
	case denied:
		return fmt.Errorf("%s does not accept the token: %s", c.base, cmp.Or(detail, fault.Status(a.status)))
	case a.status == http.StatusForbidden:
		return fmt.Errorf("%s does not allow this caller to do that: %s", c.base, detail)
	case detail != "":
		return errors.New(detail)
	}
	return fmt.Errorf("%s answers %s, but not like Headgate: is the address right?", c.base, fault.Status(a.status))
}
