package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// Error is an answer of the server that says no. Its text is the server's own: problem
// details (RFC 9457), or the status alone where something before the server answered.
type Error struct {
	Status int     // of HTTP, such as 400; of a message behind a claim check 410 if its events have expired
	Title  string  // what the status means, such as "Bad Request"
	Detail string  // what is wrong, in a sentence for a person
	Faults []Fault // each fault of what was sent, where there may be several
	// Instance is the request's id in the server's log.
	Instance string

	retryAfter time.Duration
}

// Fault is one of several things that are wrong with what was sent.
type Fault struct {
	Path    string `json:"path"` // the field, as a JSON path; "" is the whole
	Message string `json:"message"`
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "headgate answers %d %s", e.Status, e.Title)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	for _, f := range e.Faults {
		b.WriteString("; " + f.Path + " " + f.Message)
	}
	return b.String()
}

// Temporary reports whether the same request may succeed later. [Gate] has then tried until
// its context ended.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	default:
		return e.Status >= 500
	}
}

// maxProblem is the most that is read of an answer that says no, in bytes.
const maxProblem = 64 << 10

// errorOf makes an error of an answer.
func errorOf(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode), retryAfter: retryAfter(resp.Header, time.Now())}
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode < 400 {
		e.Detail = "redirects are not followed, because a request can lose its method and body by them: use the address that they lead to"
		return e
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "application/problem+json" {
		return e
	}
	var p struct {
		Title, Detail, Instance string
		Errors                  []Fault
	}
	if json.Unmarshal(body, &p) == nil {
		e.Detail, e.Instance, e.Faults = p.Detail, p.Instance, p.Errors
		if p.Title != "" {
			e.Title = p.Title
		}
	}
	return e
}

// Permanent marks an error that another delivery of the message would not change. A
// [Consumer] acknowledges such a message. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether an error is marked by [Permanent].
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
