package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"

	"github.com/headgate/headgate/internal/platform/budget"
)

const headerRequestID = "X-Request-Id"

// response records whether anything was sent, and holds the request's id and memory.
type response struct {
	w        http.ResponseWriter
	id       string
	status   int // 0 until the header is sent
	hijacked bool
	acts     bool // the request may change state
	body     int  // of the request: bodyUnread, bodyBegun or bodyOver

	requests *budget.Budget
	answers  *budget.Budget
	hold     *budget.Hold // of the budget of requests; nil until the body is read
	reading  *budget.Hold // of the budget of answers; nil until there is a large answer
	pace     *pace        // nil: the answer has none
}

func (rw *response) Unwrap() http.ResponseWriter { return rw.w }

func (rw *response) Header() http.Header { return rw.w.Header() }

func (rw *response) wrote() bool { return rw.status != 0 || rw.hijacked }

// sent returns the status that the client sees.
func (rw *response) sent() int {
	if rw.status == 0 && !rw.hijacked {
		return http.StatusOK
	}
	return rw.status
}

func (rw *response) WriteHeader(status int) {
	// Informational headers (1xx) may precede the final one.
	if rw.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		rw.status = status
	}
	rw.w.WriteHeader(status)
}

func (rw *response) started() {
	if rw.status == 0 {
		rw.status = http.StatusOK
	}
}

func (rw *response) Write(b []byte) (int, error) {
	rw.started()
	if rw.pace != nil {
		return rw.pace.write(rw.w, b)
	}
	return rw.w.Write(b)
}

func (rw *response) WriteString(s string) (int, error) {
	rw.started()
	if rw.pace != nil {
		return rw.pace.write(rw.w, []byte(s))
	}
	return io.WriteString(rw.w, s)
}

// Flush implements http.Flusher, for code that does not use an http.ResponseController.
func (rw *response) Flush() { _ = rw.FlushError() }

func (rw *response) FlushError() error {
	rw.started() // flushing sends the header
	if rw.pace != nil {
		return rw.pace.flush()
	}
	return http.NewResponseController(rw.w).Flush()
}

func (rw *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, b, err := http.NewResponseController(rw.w).Hijack()
	rw.hijacked = rw.hijacked || err == nil
	return c, b, err
}

// requestID returns the id and makes one if needed: most requests without an id never
// need one.
func (rw *response) requestID() string {
	if rw.id == "" {
		rw.id = fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
		if !rw.wrote() {
			rw.Header().Set(headerRequestID, rw.id)
		}
	}
	return rw.id
}

// saneID reports whether a caller's id is short and plain enough for the logs.
func saneID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == '~', c == ':', c == '=', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}

// Header values that all answers share; net/http does not change them.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
	noStore     = []string{"no-store"}
	nosniff     = []string{"nosniff"}
)

// NoSniff tells browsers to take every answer for what its Content-Type says. Answers have
// texts that callers chose: a browser that guessed could take one for a page or a script.
func NoSniff(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Content-Type-Options"] = nosniff
		h.ServeHTTP(w, r)
	})
}

// JSON answers with v. If v cannot be encoded, it writes nothing and returns an error.
// It returns no error if the client has disconnected, because nobody could be told.
func JSON(w http.ResponseWriter, status int, v any) error {
	return write(w, false, status, jsonType, v)
}

type encoder struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = json.NewEncoder(&e.buf)
	e.enc.SetEscapeHTML(false)
	return e
}}

func write(w http.ResponseWriter, headerOnly bool, status int, contentType []string, v any) error {
	e := encoders.Get().(*encoder)
	defer func() {
		if e.buf.Cap() <= largeAnswer { // do not pool the memory of a large answer
			e.buf.Reset()
			encoders.Put(e)
		}
	}()
	if err := e.enc.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	if size := e.buf.Len(); size > largeAnswer {
		if err := holdAnswer(w, size); err != nil {
			return err
		}
		Pace(w, AnswerTime)
	}
	h := w.Header()
	h["Content-Type"] = contentType
	h["Cache-Control"] = noStore
	w.WriteHeader(status)
	if !headerOnly {
		_, _ = w.Write(e.buf.Bytes())
	}
	return nil
}
