// Package resolver fetches the entities of live clients from a service over HTTP.
//
// The memory of large answers is bounded. On failure nothing is remembered: the hub
// retries.
package resolver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/expression"
	"github.com/headgate/headgate/live"
)

// HTTP is a [live.Resolver] that calls a service. The key is in the URL and the
// client's secret in the header X-Client-Secret. The service answers with a JSON array
// of rows, or with one row, which may be any bytes; 401 and 403 mean "not allowed", 404 and
// 410 "there is none".
type HTTP struct {
	Client  *http.Client
	URL     string // with {org}, {type} and {id}
	Header  http.Header
	Timeout time.Duration
	// Version gives the version of an answer. nil, or empty text: its ETag is the version, or
	// a hash of the answer where it has none.
	Version *expression.Expression
	// Memory bounds the answers that are large; nil means no bound.
	Memory *budget.Budget
}

var _ live.Resolver = (*HTTP)(nil)

const (
	maxAnswer   = 8 << 20
	smallAnswer = 64 << 10 // an answer of fewer bytes is not counted
	copies      = 4        // of an answer, until it is a state
)

// PerSecret implements [live.Resolver]. The service may answer each secret differently.
func (*HTTP) PerSecret() bool { return true }

// Resolve implements [live.Resolver]. Errors do not repeat the URL, which may hold
// credentials.
func (r *HTTP) Resolve(ctx context.Context, k live.Key, secret string) (live.State, error) {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}
	if err := CheckHeader(secret); err != nil {
		return live.State{}, err
	}
	if r.climbs(k) {
		return live.State{Gone: true}, nil
	}
	req, err := r.request(ctx, k, secret)
	if err != nil {
		return live.State{}, err
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return live.State{}, fmt.Errorf("the resolver of %s does not answer: %w", k.Type, fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return live.State{}, live.ErrDenied
	case http.StatusNotFound, http.StatusGone, http.StatusNoContent:
		return live.State{Gone: true}, nil
	default:
		return live.State{}, fmt.Errorf("the resolver of %s answers %s", k.Type, fault.Status(resp.StatusCode))
	}
	body, release, err := r.read(ctx, k, resp.Body)
	if err != nil {
		return live.State{}, err
	}
	defer release()
	state, err := stateOf(k, body)
	if err != nil || state.Gone {
		return state, err
	}
	named, err := r.named(k, resp.Header, body)
	if err != nil {
		return live.State{}, err
	}
	if named == "" {
		named = resp.Header.Get("ETag")
	}
	if named != "" {
		state.Version = versionOf([]byte(named)) // the service says what is new: rows may hold the time
	}
	return state, nil
}

// named returns the version that r.Version finds in an answer, and "" if it finds none.
func (r *HTTP) named(k live.Key, header http.Header, body []byte) (string, error) {
	if r.Version == nil {
		return "", nil
	}
	vars, err := expression.Of(header, body)
	if err != nil {
		return "", fmt.Errorf("version of the resolver of %s: %w", k.Type, err)
	}
	text, err := r.Version.Text(vars)
	if err != nil {
		return "", fmt.Errorf("version of the resolver of %s: %w", k.Type, err)
	}
	return text, nil
}

// CheckHeader returns a [live.SecretError] if no header can carry the secret as it is.
func CheckHeader(secret string) error {
	odd := strings.ContainsFunc(secret, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
	if odd || secret != textproto.TrimString(secret) { // blanks around a value do not arrive
		return &live.SecretError{Reason: "no header can carry the secret: it has control characters, or blanks around it"}
	}
	return nil
}

// versionOf returns a version that changes with b, and is short whatever b is.
func versionOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Target returns the URL that is called for the key.
func (r *HTTP) Target(k live.Key) string {
	path, query, asks := strings.Cut(r.URL, "?")
	target := fill(path, k, url.PathEscape)
	if asks {
		target += "?" + fill(query, k, url.QueryEscape)
	}
	return target
}

func fill(template string, k live.Key, escape func(string) string) string {
	return strings.NewReplacer("{org}", escape(k.Org), "{type}", escape(k.Type), "{id}", escape(k.ID)).Replace(template)
}

// climbs reports whether a name of the key would make the path lead to another place of the
// service: no escape keeps servers and proxies from following "..".
func (r *HTTP) climbs(k live.Key) bool {
	path, _, _ := strings.Cut(r.URL, "?")
	for placeholder, name := range map[string]string{"{org}": k.Org, "{type}": k.Type, "{id}": k.ID} {
		if (name == "." || name == "..") && strings.Contains(path, placeholder) {
			return true
		}
	}
	return false
}

func (r *HTTP) request(ctx context.Context, k live.Key, secret string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Target(k), nil)
	if err != nil {
		return nil, errors.New("the resolver's URL cannot be called")
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if secret != "" {
		req.Header.Set(live.SecretHeader, secret)
	}
	return req, nil
}

// read returns the answer. The caller calls release when it is done with it. Many
// small answers are read at once; a large one waits for memory, first for its bytes and then
// for what its values take.
func (r *HTTP) read(ctx context.Context, k live.Key, from io.Reader) (body []byte, release func(), err error) {
	hold := r.Memory.Hold()
	body, err = io.ReadAll(io.LimitReader(from, smallAnswer))
	if err == nil && len(body) == smallAnswer {
		if err := hold.Extend(ctx, min(copies*maxAnswer, r.Memory.Total())); err != nil {
			return nil, nil, err
		}
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(from, maxAnswer+1-smallAnswer))
		body = append(body, rest...)
		if more := budget.OfJSON(body) - hold.Bytes(); err == nil && more > 0 {
			if err := hold.Extend(ctx, more); err != nil {
				hold.Release()
				return nil, nil, err
			}
		}
	}
	if err != nil || len(body) > maxAnswer {
		hold.Release()
		return nil, nil, fmt.Errorf("the resolver of %s sends more than %d bytes, or broke off", k.Type, maxAnswer)
	}
	return body, hold.Release, nil
}

// stateOf returns the state that an answer describes. Its version is a hash of the answer;
// Resolve replaces it if the service names the version. An answer without a body is an error:
// "[]" and 204 say that there is nothing.
func stateOf(k live.Key, body []byte) (live.State, error) {
	if len(body) == 0 {
		return live.State{}, fmt.Errorf("the resolver of %s answers without a body", k.Type)
	}
	s := live.State{Version: versionOf(body)}
	var rows []json.RawMessage
	if err := json.Unmarshal(body, &rows); err == nil {
		for _, row := range rows {
			s.Rows = append(s.Rows, row)
		}
		s.Gone = len(rows) == 0
		return s, nil
	}
	s.Rows = [][]byte{body}
	return s, nil
}
