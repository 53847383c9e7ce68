package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Store remembers which messages were handled, in the place where the work is done. Tx is
// the handle that makes the work a part of the same commit, such as a *sql.Tx.
type Store[Tx any] interface {
	// Once calls work with a transaction, and commits what work did together with eventID. If
	// eventID was committed before, it returns nil without a call. If work fails, nothing is
	// committed, and Once returns that error, perhaps wrapped.
	//
	// Of several calls at the same time with one eventID, from any number of processes, only
	// one may commit. The others wait for it, or fail.
	Once(ctx context.Context, eventID string, work func(context.Context, Tx) error) error
}

// Consumer handles each message once. It may be used concurrently, and its fields must not
// be changed after its first use.
type Consumer[Tx any] struct {
	// Gate reads the whole message behind a claim check. Without it, a claim check fails, and
	// is delivered again.
	Gate *Gate
	// Secrets are those of a target with a secret: ServeHTTP then takes only requests that
	// one of them signed, and none if the list is empty. With nil it takes any request: Pub/Sub
	// does not sign, so have the platform check its ID token.
	Secrets []string
	// Report is told of every failure. The message is nil if there is none in what arrived.
	// Nil writes to slog.Default. [IsPermanent] tells whether the message is acknowledged.
	Report func(ctx context.Context, m *Message, err error)

	store  Store[Tx]
	handle func(context.Context, Tx, *Message) error
}

// Consume returns a consumer that calls handle for each message, in a transaction of the
// store. What handle does in it is done exactly once. What it does elsewhere can be done
// again, if the commit fails.
//
// If handle returns an error, the message is delivered again later. If the error is
// [Permanent], it is not: the message is acknowledged and reported, and its eventID is not
// recorded, so a replay of the message is handled.
func Consume[Tx any](store Store[Tx], handle func(context.Context, Tx, *Message) error) *Consumer[Tx] {
	return &Consumer[Tx]{store: store, handle: handle}
}

// Receive handles a message that was pulled. Acknowledge it if the error is nil; otherwise
// have it delivered again:
//
//	subscriber.Receive(ctx, func(ctx context.Context, m *pubsub.Message) {
//		if consumer.Receive(ctx, m.Data, m.Attributes) != nil {
//			m.Nack()
//			return
//		}
//		m.Ack()
//	})
func (c *Consumer[Tx]) Receive(ctx context.Context, data []byte, attributes map[string]string) error {
	m, err := ParseMessage(data)
	if err == nil {
		m.Attributes = attributes
		err = c.consume(ctx, m)
	}
	return c.settle(ctx, m, err)
}

// wholeWithin bounds the attempts to read what is behind a claim check. A message that is
// not handled by then is delivered again.
const wholeWithin = 2 * time.Minute

func (c *Consumer[Tx]) consume(ctx context.Context, m *Message) error {
	if m.ContentURL != "" {
		if c.Gate == nil {
			return errors.New("headgate: this message is a claim check, and the consumer has no Gate to read the whole from")
		}
		reading, cancel := context.WithTimeout(ctx, wholeWithin)
		whole, err := c.Gate.Whole(reading, m)
		cancel()
		if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusGone {
			return Permanent(fmt.Errorf("headgate: message %s was not read before its events expired: %w", m.EventID, err))
		}
		if err != nil {
			return err
		}
		m = whole
	}
	return c.store.Once(ctx, m.EventID, func(ctx context.Context, tx Tx) error { return c.handle(ctx, tx, m) })
}

// settle reports an error, and returns it if the message should be delivered again.
func (c *Consumer[Tx]) settle(ctx context.Context, m *Message, err error) error {
	if err == nil {
		return nil
	}
	permanent := IsPermanent(err)
	switch {
	case c.Report != nil:
		c.Report(ctx, m, err)
	case m == nil:
		slog.ErrorContext(ctx, "headgate: what arrived is no message, and is acknowledged", "error", err)
	case permanent:
		slog.ErrorContext(ctx, "headgate: a message failed for good, and is acknowledged", "eventID", m.EventID, "service", m.ServiceName, "error", err)
	default:
		slog.WarnContext(ctx, "headgate: a message failed, and is delivered again", "eventID", m.EventID, "service", m.ServiceName, "error", err)
	}
	if permanent {
		return nil
	}
	return err
}
