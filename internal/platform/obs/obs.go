// Package obs makes the logger: slog that writes lines for people, or JSON with the field
// names of Cloud Logging, where each record names its request's trace. The value of an
// attribute that is named like a credential is written as "REDACTED". A secret inside a
// message or an error's text is not recognised: the code that makes such a text must keep
// secrets out.
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
	"github.com/headgate/headgate/internal/platform/trace"
)

// InProject returns log as one of a Google Cloud project. Cloud Logging shows a record beside
// the spans of its trace only if the record names the trace's project.
func InProject(log *slog.Logger, project string) *slog.Logger {
	h, ok := log.Handler().(*handler)
	if !ok || !h.cloud {
		return log
	}
	in := *h
	in.extra = cloudExtra(project)
	return slog.New(&in)
}

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

// handler adds attributes of its own, such as the trace. They are read only at the top level,
// so while a group is open they are added to root.
type handler struct {
	root  slog.Handler
	h     slog.Handler // root with the attributes and groups of with
	with  []func(slog.Handler) slog.Handler
	open  bool // a group is open
	cloud bool
	extra func(ctx context.Context, r slog.Record) []slog.Attr
}

// Enabled implements [slog.Handler].
func (c *handler) Enabled(ctx context.Context, l slog.Level) bool { return c.h.Enabled(ctx, l) }

func (c *handler) derive(f func(slog.Handler) slog.Handler, open bool) slog.Handler {
	d := *c
	d.h, d.with, d.open = f(c.h), append(slices.Clip(c.with), f), c.open || open
	return &d
}

// WithAttrs implements [slog.Handler].
func (c *handler) WithAttrs(as []slog.Attr) slog.Handler {
	return c.derive(func(h slog.Handler) slog.Handler { return h.WithAttrs(as) }, false)
}

// WithGroup implements [slog.Handler].
func (c *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return c
	}
	return c.derive(func(h slog.Handler) slog.Handler { return h.WithGroup(name) }, true)
}

// Handle implements [slog.Handler].
func (c *handler) Handle(ctx context.Context, r slog.Record) error {
	extra := c.extra(ctx, r)
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

// plainExtra returns the trace, by which a receiver of spans finds it.
func plainExtra(ctx context.Context, _ slog.Record) []slog.Attr {
	if t := trace.Of(ctx); t.HasTrace() {
		return []slog.Attr{slog.String("trace", t.TraceID())}
	}
	return nil
}

// cloudExtra returns a function that returns Cloud Logging's fields for the trace, and for the
// place of an error in the source.
func cloudExtra(project string) func(ctx context.Context, r slog.Record) []slog.Attr {
	prefix := ""
	if project != "" {
		prefix = "projects/" + project + "/traces/"
	}
	return func(ctx context.Context, r slog.Record) (extra []slog.Attr) {
		if t := trace.Of(ctx); t.HasTrace() {
			extra = append(extra, slog.String("logging.googleapis.com/trace", prefix+t.TraceID()),
				slog.Bool("logging.googleapis.com/trace_sampled", t.Sampled))
			if span := t.SpanID(); span != "" {
				extra = append(extra, slog.String("logging.googleapis.com/spanId", span))
			}
		}
		if r.Level >= slog.LevelError && r.PC != 0 {
			f, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
			extra = append(extra, slog.Group("logging.googleapis.com/sourceLocation",
				"file", f.File, "line", strconv.Itoa(f.Line), "function", f.Function))
		}
		return extra
	}
}
