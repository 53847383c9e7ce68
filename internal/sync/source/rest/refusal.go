package rest

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/sync/source"
)

// Refusal is an answer with an error status or a redirect that was not followed. It is
// the cause of the *fault.Error that Call returns.
type Refusal struct {
	Status  int
	Message string // the server's own words, without credentials
	// Wait is the pause that the server asks for before any further call; 0: none.
	Wait time.Duration
}

func (r *Refusal) Error() string { return fmt.Sprintf("status %d: %s", r.Status, r.Message) }

// ForGood reports whether the server refused the content of this request. The same
// request would fail again; another row may succeed. A status about credentials, load or
// time-outs concerns every row, so the run fails and no row is blamed.
func (r *Refusal) ForGood() bool {
	if r.Wait > 0 {
		return false
	}
	switch r.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return r.Status >= 400 && r.Status < 500
}

// MayBeRow reports whether the refusal may be about the one row that was sent, or about
// every row: 403 for a row that the caller may not write, or because of the credentials;
// 404 and 405 for a row that refers to nothing, or because of the URL; 500 for a row at
// which the server fails, or because it fails at all of them.
func (r *Refusal) MayBeRow() bool {
	if r.Wait > 0 {
		return false
	}
	switch r.Status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusInternalServerError:
		return true
	}
	return false
}

// leastWait is the pause after a 429 that does not tell one. Most quotas are for a minute.
const leastWait = time.Minute

// pause returns the pause that the answer asks for. Servers tell that their quota is used up
// by 429, or by 403 or 503 with Retry-After.
func (c *Client) pause(a *Answer) time.Duration {
	switch a.Status {
	case http.StatusTooManyRequests, http.StatusForbidden, http.StatusServiceUnavailable:
	default:
		return 0
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	asked := outbound.RetryAfter(&http.Response{Header: a.Header}, now())
	if a.Status == http.StatusTooManyRequests && asked == 0 {
		return leastWait
	}
	return asked
}

// Failed reports whether the server failed at the request, so that it may have done a part
// of it. After any other refusal nothing was done.
func (r *Refusal) Failed() bool { return r.Status >= 500 }

// maxInRow is the largest number of rows one after the other that a server refuses for
// themselves. If it refuses more, it is not because of the rows.
const maxInRow = 5

// health tells a server that refuses one row from one that refuses every call.
type health struct {
	answered atomic.Bool  // a call was answered with success
	inRow    atomic.Int64 // rows refused one after the other, since a write was accepted
}

func (h *health) succeeded(method string) {
	h.answered.Store(true)
	if method != http.MethodGet {
		h.inRow.Store(0)
	}
}

// OfRow decides about a refusal that may be about one row or about all. It returns the
// error of the row, with the code Unavailable, because the server may accept the row later.
// It returns nil if the error is that of the whole push: no call was answered yet, or too
// many rows one after the other were refused in this way.
//
// One row must not stop the others. Nor may a server that fails every call be taken for
// one that refuses every row.
func (c *Client) OfRow(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	r, refused := errors.AsType[*Refusal](err)
	if !ok || !refused || !r.MayBeRow() || c.health.inRow.Add(1) > maxInRow || !c.health.answered.Load() {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "%s", f.Message)
}

// Refused decides about the error of a call that wrote one row and may not have done so.
// It returns the row's result, or the error of the whole push with a result that tells
// what is known of the row. made says that the server may have written the row.
func (c *Client) Refused(err error, made bool) (source.Result, error) {
	r, ok := errors.AsType[*Refusal](err)
	switch {
	case ok && r.MayBeRow():
		if row := c.OfRow(err); row != nil {
			return source.Result{Err: row}, nil
		}
		if !made {
			return source.Result{Err: source.ErrNotWritten}, err
		}
	case ok && r.ForGood():
		return source.Result{Err: err}, nil
	}
	return source.Result{Err: source.ErrUnanswered}, err
}
