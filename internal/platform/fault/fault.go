// Package fault is Headgate's vocabulary of errors. An Error has a code, which
// decides the HTTP status and whether a caller should retry, a message written
// for the caller, and a cause that is logged at the edge and never shown.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Code says what kind of failure an error is.
type Code string

// The codes. A caller should retry Unavailable and TooMany unchanged, and no other.
const (
	Internal         Code = "internal"
	Invalid          Code = "invalid"
	Unauthenticated  Code = "unauthenticated"
	Forbidden        Code = "forbidden"
	NotFound         Code = "not found"
	MethodNotAllowed Code = "method not allowed"
	Conflict         Code = "conflict"
	Gone             Code = "gone"
	TooLarge         Code = "too large"
	TooMany          Code = "too many"
	Unavailable      Code = "unavailable"

	PreconditionFailed Code = "precondition failed"
)

// Error is a failure with a message for the caller.
type Error struct {
	Code       Code
	Message    string        // for the caller: no secrets, no internals
	RetryAfter time.Duration // Unavailable and TooMany only; 0 lets the edge choose
	Allow      []string      // MethodNotAllowed only: the methods that are
	Details    []Detail      // Invalid only: every fault, where there may be several
	Member     *Member       // what the answer tells beside the message; nil: nothing
	Cause      error         // for the log
}

// Member is a further member of the answer (RFC 9457, 3.2).
type Member struct {
	Name  string
	Value any
}

// Detail is one of several faults of what a caller sent.
type Detail struct {
	Path    string `json:"path"` // JSON path; "" is the whole
	Message string `json:"message"`
}

// String returns the fault on one line, with its path before it.
func (d Detail) String() string {
	if d.Path == "" {
		return d.Message
	}
	return d.Path + ": " + d.Message
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// New returns an error of the code with a formatted message for the caller.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap is New with the cause that is logged and not shown.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// WithoutURL returns the error of an HTTP call without the URL that net/http puts
// around it, which may be signed or hold credentials.
func WithoutURL(err error) error {
	if call, ok := errors.AsType[*url.Error](err); ok {
		return call.Err
	}
	return err
}

// Asked returns the pause that an Error in err's chain asks for, or 0.
func Asked(err error) time.Duration {
	for {
		e, ok := errors.AsType[*Error](err)
		if !ok || e.RetryAfter > 0 {
			if ok {
				return e.RetryAfter
			}
			return 0
		}
		err = e.Cause
	}
}

// Status returns what an HTTP status means, as "404 Not Found", in our words: a server's
// own may repeat the URL that it was called with.
func Status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// CodeOf returns the code of the first Error in err's chain, Internal for any
// other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// TypeOf returns what OpenTelemetry calls error.type: of spans and of metrics. It is "" for no
// error. The text of an error is not shown: it may say more than a receiver should know.
func TypeOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Code)
	}
	return "_OTHER" // the semantic conventions' word for what has no name
}
