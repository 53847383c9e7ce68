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

// gated is a connection that asks the fence of the request that has it before any
// byte of that request leaves. A check before net/http gets the request would be too
// early: a connection may have to be made first, which takes seconds, and the bytes are
// written by another goroutine.
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

// fenced returns the request as it is sent once: its connection asks the fence of ctx.
// A refusal cancels ctx with the reason, so that nothing is sent again.
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
				// Other requests share the connection. This one has not begun, and does
				// not once its context has ended.
				if may != nil {
					_ = (*may)()
				}
				return
			}
			conn = t.NetConn()
		}
		if g, ok := conn.(*gated); ok {
			g.gate.Store(may) // also nil: the request before had its own
		}
	}}))
}
