package web

import (
	"io"
	"net/http"
	"time"
)

// AnswerTime bounds the time in which a client takes an answer whose memory is held as a whole.
const AnswerTime = 5 * time.Minute

// Pace makes the client take the answer from now on as fast as a body must arrive: paceBytes of
// it, or the rest, in each paceTime. Otherwise a client that reads slowly, or not at all, would
// keep the answer's memory from all others for minutes. within bounds the whole answer, unless
// it is 0. Only the time in which the client keeps a write waiting counts.
//
// A client that is too slow makes the next write fail.
func Pace(w http.ResponseWriter, within time.Duration) {
	rw := responseOf(w)
	if rw == nil {
		return
	}
	p := &pace{to: http.NewResponseController(rw.w)}
	if within > 0 {
		p.until = time.Now().Add(within)
	}
	rw.pace = p
}

// pace bounds the time in which a client takes an answer.
type pace struct {
	to     *http.ResponseController
	until  time.Time     // the deadline of the whole answer; zero: none
	left   int           // bytes of the present step
	waited time.Duration // for the client, in this step
}

func (p *pace) write(w io.Writer, b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		if p.left == 0 {
			p.left, p.waited = paceBytes, 0
		}
		began := p.allow()
		var m int
		m, err = w.Write(b[:min(len(b), p.left)])
		p.waited += time.Since(began)
		n, b, p.left = n+m, b[m:], p.left-m
	}
	return n, err
}

func (p *pace) flush() error {
	began := p.allow()
	err := p.to.Flush()
	p.waited += time.Since(began)
	return err
}

// allow sets the deadline of the next write.
func (p *pace) allow() (now time.Time) {
	now = time.Now()
	next := now.Add(paceTime - p.waited)
	if !p.until.IsZero() && next.After(p.until) {
		next = p.until
	}
	_ = p.to.SetWriteDeadline(next) // not every server has deadlines
	return now
}

// end sends the rest of the answer. It leaves no deadline behind for the next answer on the
// connection, unless the server sets one for each.
func (p *pace) end(r *http.Request) {
	_ = p.flush()
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); !ok || s.WriteTimeout <= 0 {
		_ = p.to.SetWriteDeadline(time.Time{})
	}
}
