package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Static always has the same row: a signal that carries no data.
type Static func(Key) []byte

// Resolve implements Resolver.
func (s Static) Resolve(_ context.Context, k Key, _ string) (State, error) {
	return State{Rows: [][]byte{s(k)}}, nil
}

// PerSecret implements Resolver.
func (Static) PerSecret() bool { return false }

// HTTP asks a service for entities: it gets the key in the URL and the client's
// secret in the header X-Client-Secret, and answers with a JSON array of rows, or
// one row; 401 or 403 is "not allowed", 404 or 410 "there is none".
type HTTP struct {
	Client  *http.Client
	URL     string // with {org}, {type} and {id}
	Header  http.Header
	Timeout time.Duration
	// Memory bounds the answers that are large; nil does not.
	Memory *budget.Budget
}

// SecretHeader carries the client's secret.
const SecretHeader = "X-Client-Secret"

const (
	maxRows   = 8 << 20
	smallRows = 64 << 10 // an answer of less is not counted
	rowCopies = 4        // of an answer, while it becomes a state
)

// PerSecret implements Resolver.
func (*HTTP) PerSecret() bool { return true }

// Resolve implements Resolver.
func (r *HTTP) Resolve(ctx context.Context, k Key, secret string) (State, error) {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}
	target := strings.NewReplacer("{org}", url.PathEscape(k.Org), "{type}", url.PathEscape(k.Type), "{id}", url.PathEscape(k.ID)).Replace(r.URL)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return State{}, errors.New("the resolver's URL cannot be called")
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if strings.ContainsFunc(secret, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return State{}, ErrDenied // no header can carry it
	}
	if secret != "" {
		req.Header.Set(SecretHeader, secret)
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return State{}, fmt.Errorf("the resolver of %s does not answer: %w", k.Type, fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return State{}, ErrDenied
	case http.StatusNotFound, http.StatusGone, http.StatusNoContent:
		return State{Gone: true}, nil
	default:
		return State{}, fmt.Errorf("the resolver of %s answers %s", k.Type, fault.Status(resp.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, smallRows))
	if err == nil && len(body) == smallRows { // many are read at once, but few that are large
		room := min(rowCopies*maxRows, r.Memory.Total())
		if err := r.Memory.Take(ctx, room); err != nil {
			return State{}, err
		}
		defer r.Memory.Give(room)
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(resp.Body, maxRows+1-smallRows))
		body = append(body, rest...)
	}
	if err != nil || len(body) > maxRows {
		return State{}, fmt.Errorf("the resolver of %s sends more than %d bytes, or broke off", k.Type, maxRows)
	}
	if !utf8.Valid(body) {
		return State{}, fmt.Errorf("the resolver of %s does not answer in UTF-8", k.Type)
	}
	sum := sha256.Sum256(body)
	s := State{Version: hex.EncodeToString(sum[:8])}
	var rows []json.RawMessage
	if err := json.Unmarshal(body, &rows); err == nil {
		for _, row := range rows {
			s.Rows = append(s.Rows, row)
		}
		s.Gone = len(rows) == 0
		return s, nil
	}
	if !json.Valid(body) {
		return State{}, fmt.Errorf("the resolver of %s does not answer with JSON", k.Type)
	}
	s.Rows = [][]byte{body}
	return s, nil
}
