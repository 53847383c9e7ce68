package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Queue carries changes between the hubs of a server's instances. The packages below
// this one have drivers, and queuetest the tests that every driver has to pass. A driver
// may be small: a lost message is made up for by comparing versions, and a message that
// comes twice costs a fetch.
type Queue interface {
	// Publish sends data, at most 256 KiB, to every Receive that has called ready, in
	// this process and in all others. It returns once the queue has the data, or an
	// error if it may not have it. It is called from many goroutines.
	Publish(ctx context.Context, data []byte) error
	// Receive calls handle with what is published until ctx ends. Then it waits for the
	// calls under way and returns nil. It calls ready once, as soon as everything that is
	// published from then on will arrive. It returns an error when it cannot continue: data
	// may have been missed, and the hub calls it again after a while. handle may be
	// called from many goroutines. It does not block and does not keep data.
	Receive(ctx context.Context, ready func(), handle func(data []byte)) error
}

// ErrQueue says that the queue did not take a change: only the clients of this instance
// were told.
var ErrQueue = errors.New("live: the queue did not take the change: only clients of this instance were told")

const (
	maxKeys    = 500       // of a message
	maxMessage = 256 << 10 // bytes

	receiveAgain = 2 * time.Second // after the queue broke
)

// Notify tells the clients of every instance that entities changed. Call it after the
// change is committed. Keys that name no entity (see [Key.Validate]) are left out, for
// nobody can have subscribed to them. If the queue fails, Notify tells the clients of
// this instance, and returns an error that wraps [ErrQueue].
func (h *Hub) Notify(ctx context.Context, keys ...Key) error {
	traceparent := h.o.Traceparent(ctx)
	if h.o.Queue == nil {
		h.notify(traceparent, keys)
		return nil
	}
	var errs []error
	for len(keys) > 0 {
		data, n, err := queueMessage(traceparent, keys)
		if err == nil {
			err = h.o.Queue.Publish(ctx, data)
		}
		if err != nil {
			h.notify(traceparent, keys[:n])
			errs = append(errs, fmt.Errorf("%w: %w", ErrQueue, err))
		}
		keys = keys[n:]
	}
	return errors.Join(errs...)
}

// change is a key in a message. A message's traceparent is in its first one, so that
// instances of an earlier version, which do not know it, read the keys all the same.
type change struct {
	Key
	Traceparent string `json:"traceparent,omitempty"`
}

// queueMessage returns a message with the first n keys, as many as fit.
func queueMessage(traceparent string, keys []Key) (data []byte, n int, err error) {
	data = append(data, '[')
	for _, k := range keys[:min(len(keys), maxKeys)] {
		c := change{Key: k}
		if n == 0 {
			c.Traceparent = traceparent
		}
		one, err := json.Marshal(c)
		if err != nil {
			return nil, max(n, 1), err
		}
		if n > 0 && len(data)+len(one) >= maxMessage {
			break
		}
		if n > 0 {
			data = append(data, ',')
		}
		data = append(data, one...)
		n++
	}
	return append(data, ']'), n, nil
}

// NotifyLocal tells only the clients of this instance that entities changed. It is for
// entities that each instance has for itself; for all others use [Hub.Notify].
func (h *Hub) NotifyLocal(keys ...Key) { h.notify("", keys) }

func (h *Hub) notify(traceparent string, keys []Key) {
	for _, k := range keys {
		h.changed(k, traceparent)
	}
}

// changed fetches the entity for its subscribers, and for those of its type.
func (h *Hub) changed(k Key, traceparent string) {
	if k.Validate() != nil {
		return
	}
	secrets := h.secretsOf(k.anyOfType())
	sh := h.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t := sh.topics[k]
	if t == nil && len(secrets) == 0 {
		return
	}
	for _, secret := range secrets {
		sh.group(k, secret, h.resolverOf(k))
	}
	for _, g := range sh.topics[k].groups {
		g.forced = true
		if traceparent != "" {
			g.traceparent = traceparent
		}
		h.refresh(g)
	}
}

// Connected reports whether changes of other instances arrive. A server whose load
// balancer asks it should count as not ready while they do not. Without a queue it is
// always true.
func (h *Hub) Connected() bool { return h.o.Queue == nil || h.receiving.Load() }

// receive takes messages off the queue until the hub stops. When the queue breaks,
// changes pass unnoticed here, so the clients are sent to other instances.
func (h *Hub) receive() {
	ready := func() {
		h.receiving.Store(true)
		h.compare() // clients that connected meanwhile may have missed changes
	}
	for h.stopped.Err() == nil {
		err := h.o.Queue.Receive(h.stopped, ready, h.take)
		was := h.receiving.Swap(false)
		if h.stopped.Err() != nil {
			return
		}
		if was {
			h.o.Log.Error("changes of other instances no longer arrive: clients are sent elsewhere", "error", err)
			h.closeClients("this instance lost its bus")
		} else {
			h.o.Log.Warn("changes of other instances do not arrive: trying again", "error", err)
		}
		t := time.NewTimer(receiveAgain)
		select {
		case <-t.C:
		case <-h.stopped.Done():
			t.Stop()
		}
	}
}

// take handles a message. One that is not ours is dropped: it would never become ours.
func (h *Hub) take(data []byte) {
	var changes []change
	if err := json.Unmarshal(data, &changes); err != nil {
		h.o.Log.Warn("a message on the queue is not from a hub", "error", err)
		return
	}
	for _, c := range changes {
		h.changed(c.Key, changes[0].Traceparent)
	}
}
