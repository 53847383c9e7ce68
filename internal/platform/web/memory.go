package web

import (
	"context"
	"net/http"

	"github.com/headgate/headgate/internal/platform/budget"
)

// largeAnswer is the size in bytes from which an answer takes memory of the budget.
// Smaller answers are covered by the estimate for a connection.
const largeAnswer = 64 << 10

// HoldOf returns the hold of the request that w answers; the handler may grow it. It is
// nil if the Adapter has no budget.
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

// Decoding takes the memory that a JSON text needs when it is decoded, in addition to
// what ReadBody has taken for its bytes.
func Decoding(ctx context.Context, w http.ResponseWriter, text []byte) error {
	return HoldOf(w).Grow(ctx, budget.OfJSON(text))
}

// Reading takes the memory for an answer of at most that many bytes. The handler calls
// it before it reads the answer from the store. Memory that the answer does not need is
// returned when the answer is encoded.
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

// Answering takes the memory for the answer to a request that changes state. The handler
// calls it before the change, with the largest size that the answer may have. After the
// change it would be too late to refuse, because the client would send the request
// again. The memory comes from the budget of requests: slow readers may use up the
// budget of answers, and must not block changes.
func Answering(ctx context.Context, w http.ResponseWriter, most int) error {
	if most <= largeAnswer {
		return nil
	}
	return HoldOf(w).Grow(ctx, copies*int64(most))
}

// Acting marks a request that changes state although its method is safe.
func Acting(w http.ResponseWriter) {
	if rw := responseOf(w); rw != nil {
		rw.acts = true
	}
}

// holdAnswer takes the memory of an encoded answer until it is written, for a client
// that reads slowly keeps it for minutes. It never refuses a request that changed state:
// the handler has called Answering, and an answer that became larger is sent anyway.
func holdAnswer(w http.ResponseWriter, size int) error {
	rw := responseOf(w)
	if rw == nil || rw.acts && rw.hold.Bytes() >= copies*int64(size) {
		return nil
	}
	if err := Reading(context.Background(), w, int64(size)); err != nil && !rw.acts {
		return err
	}
	return nil
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

// release returns all memory that the request has taken.
func (rw *response) release() {
	rw.hold.Release()
	rw.reading.Release()
	rw.hold, rw.reading = nil, nil
}
