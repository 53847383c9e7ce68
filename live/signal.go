package live

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/bus"
)

// Signals carry what changed from instance to instance.
type Signals struct {
	Bus   bus.Bus
	Topic string
	// Name of this instance's subscription, which no other has.
	Name string
	Hub  *Hub
	Log  *slog.Logger

	connected atomic.Bool
}

// maxKeys is how many keys a message has at most.
const maxKeys = 500

// Notify tells every instance that the entities changed. If the bus does not
// answer, this instance's clients hear of it all the same.
func (s *Signals) Notify(ctx context.Context, keys []Key) error {
	var errs []error
	for len(keys) > 0 {
		n := min(len(keys), maxKeys)
		data, err := json.Marshal(keys[:n])
		if err == nil {
			_, err = s.Bus.Publish(ctx, s.Topic, bus.Message{Data: data, Attributes: map[string]string{"type": "headgate.live.v1"}})
		}
		if err != nil {
			for _, k := range keys[:n] {
				s.Hub.Signal(k)
			}
			errs = append(errs, err)
		}
		keys = keys[n:]
	}
	return errors.Join(errs...)
}

// Connected is whether signals of other instances arrive.
func (s *Signals) Connected() bool { return s.connected.Load() }

// Receive takes signals until ctx ends. While the bus is lost there may be
// changes that nobody hears of here: the clients are closed, to go elsewhere.
func (s *Signals) Receive(ctx context.Context) {
	sub := bus.Subscription{Topic: s.Topic, Name: s.Name, Ephemeral: true}
	ready := func() {
		s.connected.Store(true)
		s.Hub.compare() // who came while there was no bus may lack what changed meanwhile
	}
	for ctx.Err() == nil {
		err := s.Bus.Receive(ctx, sub, ready, func(_ context.Context, m bus.Message) error {
			var keys []Key
			if err := json.Unmarshal(m.Data, &keys); err != nil {
				s.Log.Warn("a message on the live topic is none of ours", "error", err)
				return nil
			}
			for _, k := range keys {
				s.Hub.Signal(k)
			}
			return nil
		})
		was := s.connected.Swap(false)
		if ctx.Err() != nil {
			return
		}
		if was {
			s.Log.Error("signals of other instances do not arrive any more: clients are sent elsewhere", "error", err)
			s.Hub.CloseClients("this instance lost its bus")
		} else {
			s.Log.Warn("signals of other instances are not received: trying again", "error", err)
		}
		t := time.NewTimer(2 * time.Second)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}
