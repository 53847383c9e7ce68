package web

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
)

const (
	// copies is the most copies of a body in memory: as it arrived, as decoded parts, and
	// as the store's driver encodes it.
	copies = 3
	// firstStep is the memory that a body gets before any of it has arrived, in bytes.
	// Each further step doubles that, so that a client that announces a large body and
	// sends nothing holds little.
	firstStep = 64 << 10
	// overhead is the memory of a request in addition to its header and body.
	overhead = 4 << 10
	// paceBytes of a body, or the rest of it, must arrive in each paceTime. Otherwise
	// a slow body would keep its memory for minutes.
	paceBytes = 256 << 10
	paceTime  = 15 * time.Second
	// bodyTime bounds the time in which a whole body must arrive.
	bodyTime = 2 * time.Minute
	// drainTime and drainBytes bound how long, and how much of, the rest of a refused body is
	// read. Cloud Run passes no larger body on.
	drainTime  = 10 * time.Second
	drainBytes = 64 << 20
)

// ReadBody returns the request's body. It takes the memory for the body and the header
// from the budget of requests, step by step as the bytes arrive. The Adapter returns
// that memory when the handler has returned; after an error, ReadBody has done so.
//
// Errors: fault.TooLarge for a body of more than limit bytes, with the limit and the
// setting (field) that it comes from; fault.Invalid for a body that breaks off;
// fault.Unavailable if other requests have the memory, or the body arrives too slowly.
//
// Requests that have read a part of their body do not block each other: only one of
// them waits long for more memory; the others fail sooner and free theirs.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64, field string) ([]byte, error) {
	hold := HoldOf(w)
	before := hold.Bytes()
	if r.Body == nil || r.Body == http.NoBody {
		return nil, hold.Grow(r.Context(), copies*(headerBytes(r.Header)+overhead))
	}
	in := &incoming{w: w, r: r, hold: hold, limit: limit, field: field}
	body, err := in.read()
	if err != nil {
		in.buf = nil
		hold.Shrink(before)
	}
	return body, err
}

// incoming is a body while it is read.
type incoming struct {
	w     http.ResponseWriter
	r     *http.Request
	hold  *budget.Hold
	limit int64
	field string

	buf   []byte
	paced bool      // deadlines have been set
	until time.Time // the deadline of the whole body
}

func (in *incoming) read() ([]byte, error) {
	size := in.r.ContentLength // -1: unknown
	if size > in.limit {
		return nil, in.tooLarge()
	}
	beside := headerBytes(in.r.Header) + overhead
	if err := in.hold.Fits(copies * (size + beside)); err != nil { // refuse before the client has sent all of it
		return nil, err
	}
	paid := min(size, firstStep)
	if size < 0 {
		paid = overhead
	}
	if err := in.hold.Grow(in.r.Context(), copies*(paid+beside)); err != nil {
		return nil, err
	}
	in.state(bodyBegun)
	body := http.MaxBytesReader(inner(in.w), in.r.Body, in.limit)
	in.buf = make([]byte, 0, paid+1) // one byte more, so that the end is seen without growing
	if paid > overhead {
		in.pace()
	}
	for next := paceBytes; ; {
		n, err := body.Read(in.buf[len(in.buf):cap(in.buf)])
		in.buf = in.buf[:len(in.buf)+n]
		if err != nil {
			return in.end(err)
		}
		if len(in.buf) >= next {
			next = len(in.buf) + paceBytes
			in.pace()
		}
		if len(in.buf) < cap(in.buf) {
			continue
		}
		more := max(2*paid, overhead)
		if size > paid {
			more = min(more, size)
		}
		more = min(more, max(in.limit, paid))
		if err := in.hold.Extend(in.r.Context(), copies*(more-paid)); err != nil {
			return nil, err
		}
		paid = more
		// The old and the new buffer are both in memory; copies covers that.
		grown := make([]byte, len(in.buf), max(paid, int64(len(in.buf)))+1)
		copy(grown, in.buf)
		in.buf = grown
		in.pace() // the wait for memory must not count against the client
	}
}

// end returns the whole body, or the reason why reading failed.
func (in *incoming) end(err error) ([]byte, error) {
	if errors.Is(err, io.EOF) {
		in.state(bodyOver)
		if in.paced { // at the deadline, the server would take the client for disconnected
			_ = http.NewResponseController(in.w).SetReadDeadline(time.Time{})
		}
		return in.buf, nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, in.tooLarge()
	}
	in.state(bodyOver)
	if in.paced && errors.Is(err, os.ErrDeadlineExceeded) {
		f := fault.Wrap(fault.Unavailable, err, "the body arrives too slowly: %d KiB must arrive in %d seconds, and all of it in %d",
			paceBytes>>10, int(paceTime.Seconds()), int(bodyTime.Seconds()))
		return nil, f
	}
	return nil, fault.Wrap(fault.Invalid, err, "the body broke off")
}

func (in *incoming) tooLarge() error {
	return fault.New(fault.TooLarge, "the body is over the limit of %d bytes (%s)", in.limit, in.field)
}

// pace sets the deadline for the next bytes.
func (in *incoming) pace() {
	now := time.Now()
	if !in.paced {
		in.paced, in.until = true, now.Add(bodyTime)
	}
	next := now.Add(paceTime)
	if next.After(in.until) {
		next = in.until
	}
	_ = http.NewResponseController(in.w).SetReadDeadline(next)
}

// inner returns net/http's own writer. MaxBytesReader tells that writer to close the
// connection, and does not look for it under a wrapper.
func inner(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// The states of a body.
const (
	bodyUnread = iota
	bodyBegun
	bodyOver // it was read to its end, broke off, or is too slow
)

func (in *incoming) state(now int) {
	if rw := responseOf(in.w); rw != nil {
		rw.body = now
	}
}

// drain reads and drops the rest of the body of a refused request. Many clients read the
// answer only after they have sent the body: cut off earlier, they would see a broken
// connection in the place of the answer, and send the request again for ever. A client that
// waits for 100 Continue has sent nothing yet.
func (rw *response) drain(r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody || rw.body == bodyOver || r.ContentLength > drainBytes ||
		rw.body == bodyUnread && r.Header.Get("Expect") != "" {
		return
	}
	rw.body = bodyOver
	_ = http.NewResponseController(rw.w).SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
}

func headerBytes(h http.Header) (n int64) {
	for name, values := range h {
		n += int64(len(name))
		for _, v := range values {
			n += int64(len(v))
		}
	}
	return n
}
