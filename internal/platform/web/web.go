// Package web turns errors into HTTP answers. Handlers return errors; an Adapter writes
// them as problem details (RFC 9457), logs once those that need attention, and recovers
// from panics. The cause of an error is logged and never shown to the caller.
//
// A request that fails is always answered with an error status, even if its client seems
// to have disconnected. Otherwise net/http would answer 200, and an event source could
// take a lost event for a stored one.
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
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
)

// Handler is an http.Handler that returns its error instead of answering it. An error
// that it returns after it has begun to write can only be logged.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Adapter turns Handlers into http.Handlers.
type Adapter struct {
	Log *slog.Logger // nil discards
	// Requests bounds the memory of bodies, Answers that of answers which clients have
	// not read yet. A nil budget has no bound.
	Requests, Answers *budget.Budget
	// Tracer records a span of each request; nil: of none.
	Tracer *trace.Tracer
	// FlushSpans exports the spans that have ended. It is called at the end of a request whose
	// span is recorded. nil: they are exported in the background.
	FlushSpans func(ctx context.Context)
	// Meter takes the duration of each request. nil: nobody does.
	Meter *meter.Meter
}

// Handler returns h as an http.Handler. h must not use its ResponseWriter after it has
// returned, because the Adapter reuses it.
func (a Adapter) Handler(h Handler) http.Handler {
	log := a.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &adapted{log: log, requests: a.Requests, answers: a.Answers, tracer: a.Tracer, flush: a.FlushSpans, meter: a.Meter, h: h}
}

type adapted struct {
	log      *slog.Logger
	requests *budget.Budget
	answers  *budget.Budget
	tracer   *trace.Tracer
	flush    func(ctx context.Context)
	meter    *meter.Meter
	h        Handler
}

// responses are pooled, because each request takes one. After a panic a response is not
// reused: a goroutine that the handler left behind must not write to the answer of
// another request.
var responses = sync.Pool{New: func() any { return new(response) }}

func (a *adapted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rw := responses.Get().(*response)
	*rw = response{w: w, acts: !isSafe(r.Method), requests: a.requests, answers: a.answers}
	if id := r.Header[headerRequestID]; len(id) > 0 && saneID(id[0]) {
		rw.id = id[0]
		w.Header()[headerRequestID] = id[:1:1]
	}
	r, span := a.begin(r)
	ctx := r.Context()
	var start time.Time
	defer func() {
		if p := recover(); p != nil {
			rw.release()
			defer a.end(ctx, span, http.StatusInternalServerError) // it may panic again
			a.panicked(rw, r, p)
			a.measure(r, rw, start)
		}
	}()
	verbose := a.log.Enabled(ctx, slog.LevelDebug)
	if verbose || a.meter != nil {
		start = time.Now()
	}
	if err := a.h(rw, r); err != nil {
		a.fail(rw, r, err)
	}
	if rw.pace != nil {
		rw.pace.end(r)
	}
	if verbose {
		a.log.DebugContext(ctx, "request", "method", r.Method, "path", r.URL.Path,
			"status", rw.sent(), "duration", time.Since(start), "requestId", rw.requestID())
	}
	a.measure(r, rw, start)
	rw.release()
	a.end(ctx, span, rw.sent())
	hijacked := rw.hijacked
	*rw = response{}
	if !hijacked {
		responses.Put(rw)
	}
}

// fail logs err at the level that fits its code, and answers with it.
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
		// The client disconnected, or the server is stopping. If anybody reads the answer,
		// it should be a client that retries.
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
		rw.drain(r)
		rw.problem(r, status, f)
	}
}

func (a *adapted) panicked(rw *response, r *http.Request, p any) {
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it in the same way
		panic(p)
	}
	a.log.LogAttrs(r.Context(), slog.LevelError, "panic",
		slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.String("requestId", rw.requestID()), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if rw.wrote() {
		// Half an answer must not look complete: abort the connection.
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
	fault.TooMany:            http.StatusTooManyRequests,
	fault.Unavailable:        http.StatusServiceUnavailable,
}

// problem is the object of RFC 9457.
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
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(f.RetryAfter.Seconds())))))
	}
	// Remove headers that the handler set for an answer that it did not give.
	for _, k := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "Etag", "Last-Modified"} {
		h.Del(k)
	}
	p := problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Instance: rw.requestID(), Errors: f.Details,
	}
	if f.Member != nil && write(rw, r.Method == http.MethodHead, status, problemType, p.with(f.Member)) == nil {
		return
	}
	// There is no member, or no memory for it.
	if write(rw, r.Method == http.MethodHead, status, problemType, p) != nil { // no memory; without any write, net/http would answer 200
		p.Errors = nil
		p.Detail = strings.ToValidUTF8(detail[:min(len(detail), 1000)], "")
		_ = write(rw, r.Method == http.MethodHead, status, problemType, p)
	}
}

// with returns the members of p and m.
func (p problem) with(m *fault.Member) map[string]any {
	members := map[string]any{
		"type": p.Type, "title": p.Title, "status": p.Status, "detail": p.Detail, "instance": p.Instance, m.Name: m.Value,
	}
	if len(p.Errors) > 0 {
		members["errors"] = p.Errors
	}
	return members
}

// Methods returns a handler that answers methods which are not allowed with 405. GET
// allows HEAD, too.
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
