package web

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

const (
	// copies is how many times a body is in memory while it is worked on: as it
	// came, in pieces, and as the store's driver encodes it.
	copies = 3
	// step is what a body of unknown length takes memory for at a time.
	step = 256 << 10
	// overhead is what a request takes beside its header and body.
	overhead = 4 << 10
	// drainTime is how long a body may take that is read only to be dropped.
	drainTime = 10 * time.Second
)

// ReadBody returns the request's body. It takes the memory for it, and for the
// header, from the budget of requests before it reads; the Adapter gives that
// back when the handler has returned. A body of more than limit bytes is
// fault.TooLarge, which names the limit and the setting (field) that it comes
// from; one that breaks off is fault.Invalid; fault.Unavailable says that other
// requests have the memory.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64, field string) ([]byte, error) {
	none := r.Body == nil || r.Body == http.NoBody
	tooLarge := func() error {
		return fault.New(fault.TooLarge, "the body is over the limit of %d bytes (%s)", limit, field)
	}
	if r.ContentLength > limit && !none {
		return nil, tooLarge()
	}
	hold := HoldOf(w)
	take := func(bytes int64) error { return hold.Grow(r.Context(), copies*bytes) }
	size := max(r.ContentLength, 0)
	if none {
		size = 0
	}
	if err := take(size + headerBytes(r.Header) + overhead); err != nil || none {
		if !none {
			drain(w, r, limit)
		}
		return nil, err
	}
	if r.ContentLength < 0 {
		size = 512
	}
	paid := max(r.ContentLength, overhead)
	// MaxBytesReader tells net/http's own writer to close the connection; it
	// does not look for it under a wrapper.
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	b := make([]byte, 0, size+1) // the one more lets the end be seen without growing
	for {
		n, err := body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			if errors.Is(err, io.EOF) {
				return b, nil
			}
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return nil, tooLarge()
			}
			return nil, fault.Wrap(fault.Invalid, err, "the body broke off")
		}
		if len(b) < cap(b) {
			continue
		}
		// What grows is copied: the old and the new are there at once, which copies allows for.
		if more := int64(max(2*len(b), overhead)); more > paid {
			more = max(min(more, limit), paid+step)
			if err := take(more - paid); err != nil {
				drain(w, r, limit)
				return nil, err
			}
			paid = more
		}
		b = append(b, 0)[:len(b)]
	}
}

// drain reads what is refused and drops it: a client that is cut off while it
// still sends sees a broken connection, not the answer that tells it to come again.
// One that waits for 100 Continue has sent nothing.
func drain(w http.ResponseWriter, r *http.Request, limit int64) {
	if r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, r.Body, limit)
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
