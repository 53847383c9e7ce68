package outbound

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/headgate/headgate/internal/platform/fence"
)

// gated is a connection that asks the fence of its current request before any byte of
// that request leaves. A check before the call of net/http would be too early: net/http
// may first have to connect, which takes seconds, and it writes the bytes in another
// goroutine.
type gated struct {
	net.Conn
	gate atomic.Pointer[gate]
}

type gate func() error

// Write implements net.Conn.
func (g *gated) Write(p []byte) (int, error) {
	if may := g.gate.Load(); may != nil {
		if err := (*may)(); err != nil {
			return 0, err
		}
	}
	return g.Conn.Write(p)
}

func (c *Client) dialGated(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &gated{Conn: conn}, nil
}

// fenced returns a copy of the request, for one attempt, whose connection asks the fence
// of ctx. A refusal cancels ctx with the reason, so that there is no further attempt.
func fenced(ctx context.Context, cancel context.CancelCauseFunc, req *http.Request) *http.Request {
	var may *gate
	if fence.In(ctx) != nil {
		may = new(gate(func() error {
			err := fence.Allow(ctx)
			if err != nil {
				cancel(err)
			}
			return err
		}))
	}
	return req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		conn := got.Conn
		if t, ok := conn.(*tls.Conn); ok {
			if t.ConnectionState().NegotiatedProtocol == "h2" {
				// Under HTTP/2 other requests share the connection, so it cannot ask for
				// this one. Ask here: once its context has ended, the request does not start.
				if may != nil {
					_ = (*may)()
				}
				return
			}
			conn = t.NetConn()
		}
		if g, ok := conn.(*gated); ok {
			g.gate.Store(may) // also if nil: it replaces the check of the previous request
		}
	}}))
}
