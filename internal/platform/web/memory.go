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

// Reading takes the memory of an answer of at most that many bytes, before the
// handler reads it from the store. The part that it does not need is given back
// when the answer is encoded.
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

// Answering takes the memory of the answer to a request that changes something.
// The handler calls it before the change, with the most bytes that the answer may
// have: afterwards it is too late to refuse, because the client would send the
// request again. The memory comes from the budget of requests: clients that read
// their answers slowly use up the other one, and must not keep changes out.
func Answering(ctx context.Context, w http.ResponseWriter, most int) error {
	if most <= largeAnswer {
		return nil
	}
	return HoldOf(w).Grow(ctx, copies*int64(most))
}

// Acting marks a request that changes something although its method is safe.
func Acting(w http.ResponseWriter) {
	if rw := responseOf(w); rw != nil {
		rw.acts = true
	}
}

// answering keeps the memory of an encoded answer until it is written: a client
// that reads slowly holds it for minutes. A request that changed something is never
// refused here. Its handler has called Answering; where the answer became larger
// than that, it is sent all the same.
func answering(w http.ResponseWriter, size int) error {
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

// release gives back what the request has taken.
func (rw *response) release() {
	rw.hold.Release()
	rw.reading.Release()
	rw.hold, rw.reading = nil, nil
}
