// Package obs makes the logger: slog that writes lines for people, or JSON with the field
// names of Cloud Logging, where each record names its request's trace. An attribute that is named like a credential is
// written as "REDACTED". A secret inside a message or an error's text is not
// recognised: the code that makes such a text must keep secrets out.
package obs

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
)

// cloudNames renames slog's own attributes to those of
// https://cloud.google.com/logging/docs/structured-logging.
func cloudNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 {
		switch a.Key {
		case slog.MessageKey:
			a.Key = "message"
			return a
		case slog.LevelKey:
			if l, ok := a.Value.Any().(slog.Level); ok {
				return slog.String("severity", severity(l))
			}
		case "stack": // Error Reporting finds a panic by it
			a.Key = "stack_trace"
		}
	}
	return Redact(groups, a)
}

func severity(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	}
	return "ERROR"
}

// Redact is a slog.HandlerOptions.ReplaceAttr that hides credentials. It hides the value
// of an attribute whose name, or whose group's name, ends in authorization, cookie,
// token, secret or password (in any letter case, also in the plural), or is on package
// credential's list. It does the same inside http.Header values.
func Redact(groups []string, a slog.Attr) slog.Attr {
	if sensitive(a.Key) || slices.ContainsFunc(groups, sensitive) {
		return slog.String(a.Key, credential.Redacted)
	}
	if a.Value.Kind() != slog.KindAny {
		return a
	}
	if h, ok := a.Value.Any().(http.Header); ok {
		h = h.Clone()
		for k := range h {
			if sensitive(k) {
				h[k] = []string{credential.Redacted}
			}
		}
		a.Value = slog.AnyValue(h)
	}
	return a
}

func sensitive(name string) bool {
	n := len(name)
	if n > 0 && name[n-1]|0x20 == 's' {
		n--
	}
	for _, word := range [...]string{"authorization", "cookie", "token", "secret", "password"} {
		if n >= len(word) && strings.EqualFold(name[n-len(word):n], word) {
			return true
		}
	}
	return credential.Named(name)
}

type traceKey struct{}

type trace struct {
	name    string // projects/P/traces/T
	span    string // 16 hex digits, or empty
	sampled bool
}

// WithTrace returns ctx with the trace that r's header names (traceparent, or else
// X-Cloud-Trace-Context), which the logger adds to each record. It returns ctx itself if
// the header names none.
func WithTrace(ctx context.Context, r *http.Request, project string) context.Context {
	t, ok := traceOf(r.Header)
	if !ok {
		return ctx
	}
	if project != "" {
		t.name = "projects/" + project + "/traces/" + t.name
	}
	return context.WithValue(ctx, traceKey{}, &t)
}

// Traced returns a handler that passes requests to h with their trace in the context;
// see WithTrace.
func Traced(project string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := traceOf(r.Header); ok { // requests from outside of Google rarely have one: spare them the copy
			r = r.WithContext(WithTrace(r.Context(), r, project))
		}
		h.ServeHTTP(w, r)
	})
}

func traceOf(h http.Header) (trace, bool) {
	if v := h["Traceparent"]; len(v) == 1 {
		// version-traceid-parentid-flags; later versions may append fields
		s := v[0]
		if len(s) >= 55 && s[2] == '-' && s[35] == '-' && s[52] == '-' && s[:2] != "ff" &&
			isID(s[3:35]) && isID(s[36:52]) && (len(s) == 55 || s[55] == '-') {
			flags, err := strconv.ParseUint(s[53:55], 16, 8)
			if err == nil {
				return trace{name: s[3:35], span: s[36:52], sampled: flags&1 == 1}, true
			}
		}
	}
	if v := h["X-Cloud-Trace-Context"]; len(v) == 1 {
		// TRACE_ID/SPAN_ID;o=OPTIONS, the span in decimal
		id, rest, _ := strings.Cut(v[0], "/")
		id, options, _ := strings.Cut(id, ";")
		if len(id) != 32 || !isID(id) {
			return trace{}, false
		}
		t := trace{name: id}
		if rest != "" {
			var s string
			s, options, _ = strings.Cut(rest, ";")
			if n, err := strconv.ParseUint(s, 10, 64); err == nil && n != 0 {
				h := strconv.FormatUint(n, 16)
				t.span = strings.Repeat("0", 16-len(h)) + h
			}
		}
		t.sampled = options == "o=1"
		return t, true
	}
	return trace{}, false
}

// isID reports whether s is lower-case hexadecimal and not all zeros.
func isID(s string) bool {
	zero := true
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		zero = zero && c == '0'
	}
	return !zero
}

// cloudHandler adds attributes of its own, such as the trace. Cloud Logging reads them
// only at the top level, so while a group is open they are added to root.
type cloudHandler struct {
	root slog.Handler
	h    slog.Handler // root with the attributes and groups of with
	with []func(slog.Handler) slog.Handler
	open bool // a group is open
}

func (c *cloudHandler) Enabled(ctx context.Context, l slog.Level) bool { return c.h.Enabled(ctx, l) }

func (c *cloudHandler) derive(f func(slog.Handler) slog.Handler, open bool) slog.Handler {
	return &cloudHandler{root: c.root, h: f(c.h), with: append(slices.Clip(c.with), f), open: c.open || open}
}

func (c *cloudHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return c.derive(func(h slog.Handler) slog.Handler { return h.WithAttrs(as) }, false)
}

func (c *cloudHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return c
	}
	return c.derive(func(h slog.Handler) slog.Handler { return h.WithGroup(name) }, true)
}

func (c *cloudHandler) Handle(ctx context.Context, r slog.Record) error {
	var extra []slog.Attr
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		extra = append(extra, slog.String("logging.googleapis.com/trace", t.name),
			slog.Bool("logging.googleapis.com/trace_sampled", t.sampled))
		if t.span != "" {
			extra = append(extra, slog.String("logging.googleapis.com/spanId", t.span))
		}
	}
	if r.Level >= slog.LevelError && r.PC != 0 {
		f, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		extra = append(extra, slog.Group("logging.googleapis.com/sourceLocation",
			"file", f.File, "line", strconv.Itoa(f.Line), "function", f.Function))
	}
	switch {
	case len(extra) == 0:
		return c.h.Handle(ctx, r)
	case !c.open:
		r = r.Clone()
		r.AddAttrs(extra...)
		return c.h.Handle(ctx, r)
	}
	h := c.root.WithAttrs(extra)
	for _, f := range c.with {
		h = f(h)
	}
	return h.Handle(ctx, r)
}
