package web

import (
	"errors"
	"io"
	"net/http"

	"github.com/headgate/headgate/internal/fault"
)

// presize bounds what a request gets allocated for a length that it only claims.
const presize = 1 << 20

// ReadBody returns the request's body. One of more than limit bytes is
// fault.TooLarge, which names the limit and the setting (field) that it comes
// from; one that breaks off is fault.Invalid.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64, field string) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	tooLarge := func() error {
		return fault.New(fault.TooLarge, "the body is over the limit of %d bytes (%s)", limit, field)
	}
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	size := int64(512)
	if r.ContentLength >= 0 {
		size = min(r.ContentLength, presize) + 1 // the one more lets the end be seen without growing
	}
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
	b := make([]byte, 0, size)
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
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
