package functions

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/store"
)

const jsonLines = "application/x-ndjson"

// errLeft ends a stream whose client has left or reads too slowly.
var errLeft = errors.New("the client does not read on")

// streamEvents writes the stored events as JSON Lines. A stream that breaks off ends with a
// line that says so and where to go on, and its connection is aborted: a client sees one of
// both, even if it looks at lines only or behind a proxy.
func streamEvents(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "since", "until", "after", "eventKey", "key")
	if err != nil {
		return err
	}
	of := gate.RecordQuery{EventKey: q.Get("eventKey"), Key: keyOf(r)}
	if of.Received.From, err = instantOf(q.Get("since"), "since"); err != nil {
		return err
	}
	if of.Received.To, err = instantOf(q.Get("until"), "until"); err != nil {
		return err
	}
	if from, to := of.Received.From, of.Received.To; !to.IsZero() && to.Before(from) {
		return fault.New(fault.Invalid, "until must not be before since")
	}
	if q.Has("after") {
		if of.After, err = parseCursor(q.Get("after")); err != nil {
			return fault.New(fault.Invalid, `after must be the "next" of an earlier answer`)
		}
	}
	w.Header().Set("Content-Type", jsonLines)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return nil
	}
	web.Pace(w, 0) // a stream may last longer than other answers
	lines := newLineWriter(w)
	next, err := g.Records(r.Context(), of, func(records []event.Record) error {
		for i := range records {
			if err := lines.add(&records[i]); err != nil {
				return err
			}
		}
		return lines.flush()
	})
	if err == nil || !lines.began {
		return err
	}
	if !errors.Is(err, errLeft) {
		_ = lines.add(event.Broken{Error: shown(err), Next: cursorOrNone(next)})
		_ = lines.flush()
	}
	panic(http.ErrAbortHandler) // so that the reader does not take a part for the whole
}

// lineWriter writes values as lines of JSON.
type lineWriter struct {
	w     http.ResponseWriter
	to    *http.ResponseController
	buf   bytes.Buffer
	enc   *json.Encoder
	began bool // a line was written
}

func newLineWriter(w http.ResponseWriter) *lineWriter {
	l := &lineWriter{w: w, to: http.NewResponseController(w)}
	l.enc = json.NewEncoder(&l.buf)
	l.enc.SetEscapeHTML(false)
	return l
}

func (l *lineWriter) add(v any) error {
	l.buf.Reset()
	if err := l.enc.Encode(v); err != nil {
		return err
	}
	l.began = true
	if _, err := l.w.Write(l.buf.Bytes()); err != nil {
		return errLeft
	}
	return nil
}

func (l *lineWriter) flush() error {
	if err := l.to.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errLeft
	}
	return nil
}

// shown returns what a client may know about an error.
func shown(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Message != "" {
		return f.Message
	}
	return "internal error"
}

func cursorOrNone(c *store.Cursor) string {
	if c == nil {
		return ""
	}
	return formatCursor(*c)
}

// instantOf reads a time of the query; "" is the zero time. Stored times are whole
// microseconds, so a finer bound means the next one.
func instantOf(s, name string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, s)
	switch {
	case err != nil && strings.Contains(s, " "):
		return at, fault.New(fault.Invalid, "%s must be a time like 2026-11-27T06:00:00Z, without a space: a + must be written as %%2B", name)
	case err != nil:
		return at, fault.New(fault.Invalid, "%s must be a time like 2026-11-27T06:00:00Z", name)
	}
	at = at.UTC()
	if at.Year() < 1 || at.Year() > 9999 {
		return at, fault.New(fault.Invalid, "%s must be in the years 1 to 9999", name)
	}
	whole := at.Truncate(time.Microsecond)
	if whole.Before(at) {
		whole = whole.Add(time.Microsecond)
	}
	return whole, nil
}
