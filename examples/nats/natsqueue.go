// Package natsqueue carries the changes of live between the instances of a server over
// NATS. It is an example of a [live.Queue]: copy it, or write the same for the queue that
// you have.
//
// NATS keeps nothing: what is published while an instance is disconnected is lost to it.
// Receive returns an error then. The hub closes its clients, so that they connect to
// another instance, and compares versions when it is connected again.
package natsqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/headgate/headgate/live"
)

// Queue is a subject of NATS as a [live.Queue]. Any number of hubs may share it.
type Queue struct {
	conn    *nats.Conn
	subject string
}

var _ live.Queue = (*Queue)(nil)

// timeout bounds a call whose context has no deadline.
const timeout = 10 * time.Second

// New returns a queue that uses the connection, which the caller closes after the hub.
// All instances of a server use the same subject, and no other server does.
func New(conn *nats.Conn, subject string) *Queue { return &Queue{conn, subject} }

// Publish implements [live.Queue]. NATS buffers what is published; the flush makes sure
// that the server has it.
func (q *Queue) Publish(ctx context.Context, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := q.conn.Publish(q.subject, data); err != nil {
		return fmt.Errorf("publish to %s: %w", q.subject, err)
	}
	return q.flush(ctx)
}

func (q *Queue) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := q.conn.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("NATS does not answer: %w", err)
	}
	return nil
}

var errDisconnected = errors.New("NATS is disconnected: changes may have been missed")

// Receive implements [live.Queue].
func (q *Queue) Receive(ctx context.Context, ready func(), handle func(data []byte)) error {
	changed := q.conn.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	defer q.conn.RemoveStatusListener(changed)
	sub, err := q.conn.SubscribeSync(q.subject)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", q.subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := q.flush(ctx); err != nil { // the server has the subscription after this
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	ready()

	receiving, disconnected := context.WithCancelCause(ctx)
	defer disconnected(nil)
	go func() {
		select {
		case <-changed:
			disconnected(errDisconnected)
		case <-receiving.Done():
		}
	}()
	for {
		m, err := sub.NextMsgWithContext(receiving)
		switch {
		case ctx.Err() != nil:
			return nil
		case receiving.Err() != nil:
			return context.Cause(receiving)
		case err != nil: // also ErrSlowConsumer: NATS dropped messages
			return fmt.Errorf("receive from %s: %w", q.subject, err)
		}
		handle(m.Data)
	}
}
