package web

import (
	"context"
	"net/http"

	"github.com/headgate/headgate/internal/platform/budget"
)

// largeAnswer is the size in bytes from which an answer counts. Smaller ones are
// part of what a connection weighs.
const largeAnswer = 64 << 10

// HoldOf returns the memory that the request of w holds, to which more can be
// added. It is nil where the Adapter has no bound.
func HoldOf(w http.ResponseWriter) *budget.Hold {
	rw := responseOf(w)
	if rw == nil {
		return nil
	}
	if rw.hold == nil {
		rw.hold = rw.requests.Hold()
	}
	return rw.hold
}

// Decoding takes the memory that a JSON text needs when it is decoded, beyond
// what ReadBody has taken for its bytes.
func Decoding(ctx context.Context, w http.ResponseWriter, text []byte) error {
	return HoldOf(w).Grow(ctx, budget.OfJSON(text))
}

// Reading takes the memory of an answer that is about to be read, of which no
// more is known than that it has at most that many bytes. What turns out not to
// be needed is given back when the answer is encoded.
func Reading(ctx context.Context, w http.ResponseWriter, most int64) error {
	rw := responseOf(w)
	if rw == nil {
		return nil
	}
	if rw.reading == nil {
		rw.reading = rw.answers.Hold()
	}
	return rw.reading.Resize(ctx, copies*most)
}

// answering keeps the memory of an encoded answer until it is written: a client
// that reads slowly holds it for minutes.
func answering(w http.ResponseWriter, size int) error {
	return Reading(context.Background(), w, int64(size))
}

func responseOf(w http.ResponseWriter) *response {
	for {
		switch v := w.(type) {
		case *response:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// release gives back what the request has taken.
func (rw *response) release() {
	rw.hold.Release()
	rw.reading.Release()
	rw.hold, rw.reading = nil, nil
}
