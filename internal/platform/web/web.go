// Package web is the one place where errors become HTTP answers. Handlers
// return errors; an Adapter turns those into problem details (RFC 9457), logs
// what somebody has to look at exactly once, and survives panics. A cause is
// logged and never shown. A request that fails is always answered with an error
// status, also when its client seems to be gone, so that no event source takes
// silence for success.
package web

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Handler is an http.Handler whose failures are somebody else's to answer. It
// returns an error before it has written anything, or else the error is only logged.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Adapter makes http.Handlers of Handlers.
type Adapter struct {
	Log *slog.Logger // nil discards
	// Requests bounds the bodies that are held at once, Answers what is held until
	// clients have read it; nil does not.
	Requests, Answers *budget.Budget
}

// Handler returns h as an http.Handler. It must not use its ResponseWriter
// after it returned.
func (a Adapter) Handler(h Handler) http.Handler {
	log := a.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &adapted{log: log, requests: a.Requests, answers: a.Answers, h: h}
}

type adapted struct {
	log      *slog.Logger
	requests *budget.Budget
	answers  *budget.Budget
	h        Handler
}

// Every request takes one, so they are used again. Only those whose handler
// returned normally are: whatever a panic left behind must not write to another
// request's answer.
var responses = sync.Pool{New: func() any { return new(response) }}

func (a *adapted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rw := responses.Get().(*response)
	*rw = response{w: w, acts: !isSafe(r.Method), requests: a.requests, answers: a.answers}
	if id := r.Header[headerRequestID]; len(id) > 0 && saneID(id[0]) {
		rw.id = id[0]
		w.Header()[headerRequestID] = id[:1:1]
	}
	defer func() {
		if p := recover(); p != nil {
			rw.release()
			a.panicked(rw, r, p)
		}
	}()
	ctx := r.Context()
	var start time.Time
	verbose := a.log.Enabled(ctx, slog.LevelDebug)
	if verbose {
		start = time.Now()
	}
	if err := a.h(rw, r); err != nil {
		a.fail(rw, r, err)
	}
	if verbose {
		a.log.DebugContext(ctx, "request", "method", r.Method, "path", r.URL.Path,
			"status", rw.sent(), "duration", time.Since(start), "requestId", rw.requestID())
	}
	rw.release()
	hijacked := rw.hijacked
	*rw = response{}
	if !hijacked {
		responses.Put(rw)
	}
}

// fail logs err as it deserves and answers with it.
func (a *adapted) fail(rw *response, r *http.Request, err error) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		f = &fault.Error{Code: fault.Internal}
	}
	status, known := statuses[f.Code]
	if !known {
		status = http.StatusInternalServerError
	}
	ctx := r.Context()
	level := slog.LevelDebug
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		// The client left, or the server is stopping. Nobody reads the answer, or
		// somebody who should try again.
		if status == http.StatusInternalServerError {
			status, f = http.StatusServiceUnavailable, &fault.Error{Code: fault.Unavailable, Message: "the request was cancelled"}
		}
	case status == http.StatusInternalServerError:
		level = slog.LevelError
	case status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	}
	if a.log.Enabled(ctx, level) {
		a.log.LogAttrs(ctx, level, "request failed",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
			slog.String("requestId", rw.requestID()), slog.Any("error", err))
	}
	if !rw.wrote() {
		rw.problem(r, status, f)
	}
}

func (a *adapted) panicked(rw *response, r *http.Request, p any) {
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
		panic(p)
	}
	a.log.LogAttrs(r.Context(), slog.LevelError, "panic",
		slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.String("requestId", rw.requestID()), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if rw.wrote() {
		// Half an answer must not look like a whole one.
		panic(http.ErrAbortHandler)
	}
	rw.problem(r, http.StatusInternalServerError, &fault.Error{Code: fault.Internal})
}

var statuses = map[fault.Code]int{
	fault.Internal:           http.StatusInternalServerError,
	fault.Invalid:            http.StatusBadRequest,
	fault.Unauthenticated:    http.StatusUnauthorized,
	fault.Forbidden:          http.StatusForbidden,
	fault.NotFound:           http.StatusNotFound,
	fault.MethodNotAllowed:   http.StatusMethodNotAllowed,
	fault.Conflict:           http.StatusConflict,
	fault.Gone:               http.StatusGone,
	fault.PreconditionFailed: http.StatusPreconditionFailed,
	fault.TooLarge:           http.StatusRequestEntityTooLarge,
	fault.Unavailable:        http.StatusServiceUnavailable,
}

// problem is RFC 9457's object.
type problem struct {
	Type     string         `json:"type"`
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail,omitempty"`
	Instance string         `json:"instance"`
	Errors   []fault.Detail `json:"errors,omitempty"`
}

func (rw *response) problem(r *http.Request, status int, f *fault.Error) {
	detail := f.Message
	h := rw.Header()
	switch status {
	case http.StatusInternalServerError:
		detail = "internal error"
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		h.Set("Allow", strings.Join(f.Allow, ", "))
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(f.RetryAfter.Seconds())))))
	}
	// What the handler said about the answer that it did not give.
	for _, k := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "Etag", "Last-Modified"} {
		h.Del(k)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	p := problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Instance: rw.requestID(), Errors: f.Details,
	}
	if f.Member != nil && write(rw, r.Method == http.MethodHead, status, problemType, p.with(f.Member)) == nil {
		return
	}
	// There is no member, or no memory for it.
	if write(rw, r.Method == http.MethodHead, status, problemType, p) != nil { // no memory: net/http would answer 200
		p.Errors = nil
		p.Detail = strings.ToValidUTF8(detail[:min(len(detail), 1000)], "")
		_ = write(rw, r.Method == http.MethodHead, status, problemType, p)
	}
}

// with returns the members of p and one more.
func (p problem) with(m *fault.Member) map[string]any {
	members := map[string]any{
		"type": p.Type, "title": p.Title, "status": p.Status, "detail": p.Detail, "instance": p.Instance, m.Name: m.Value,
	}
	if len(p.Errors) > 0 {
		members["errors"] = p.Errors
	}
	return members
}

// Methods answers requests of other methods with 405. GET implies HEAD.
func Methods(h Handler, allowed ...string) Handler {
	is := make(map[string]bool, len(allowed)+1)
	var names []string
	add := func(m string) {
		if !is[m] {
			is[m] = true
			names = append(names, m)
		}
	}
	for _, m := range allowed {
		add(m)
		if m == http.MethodGet {
			add(http.MethodHead)
		}
	}
	list := strings.Join(names, ", ")
	return func(w http.ResponseWriter, r *http.Request) error {
		if is[r.Method] {
			return h(w, r)
		}
		f := fault.New(fault.MethodNotAllowed, "the method is not allowed here: use %s", list)
		f.Allow = names
		return f
	}
}
