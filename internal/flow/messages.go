package flow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// Task is a run of a sync that another invocation works on.
type Task struct {
	SyncID string `json:"syncId"`
	RunID  string `json:"runId"`
}

// Dispatch returns a function that hands runs to other invocations over a topic.
func Dispatch(b bus.Bus, topic string) func(ctx context.Context, syncID, runID string) error {
	return func(ctx context.Context, syncID, runID string) error {
		data, err := json.Marshal(Task{syncID, runID})
		if err != nil {
			return err
		}
		_, err = b.Publish(ctx, topic, bus.Message{Data: data})
		return err
	}
}

// Gate returns the gate of a service. "" means the only service, or the first. NotFound:
// there is no such service, or the deployment has none at all.
func (f *Flow) Gate(service string) (*gate.Gate, error) {
	for _, g := range f.use.Gates {
		if service == "" || service == g.Service().ServiceName {
			return g, nil
		}
	}
	if len(f.use.Gates) == 0 {
		return nil, fault.New(fault.NotFound, "this deployment has no gate: its configuration names no service")
	}
	names := make([]string, len(f.use.Gates))
	for i, g := range f.use.Gates {
		names[i] = g.Service().ServiceName
	}
	return nil, fault.New(fault.NotFound, "no service %q: the services are %q", service, names)
}

// Message returns a message of a service as its targets get it. done gives back its memory.
// NotFound, Gone and Conflict say that no later call gets it.
func (f *Flow) Message(ctx context.Context, service, eventID string) (data []byte, done func(), err error) {
	g, err := f.Gate(service)
	if err != nil {
		return nil, nil, err
	}
	return g.Message(ctx, eventID)
}

// OnMessage starts the sync that the service names for its messages, once per eventID. It
// returns the run, also if it was started before. NotFound: the service names none, or one
// that does not exist.
func (f *Flow) OnMessage(ctx context.Context, service, eventID string) (*syncrun.Run, error) {
	g, err := f.Gate(service)
	if err != nil {
		return nil, err
	}
	on := g.Service().OnMessage
	if on == nil || eventID == "" {
		return nil, fault.New(fault.NotFound, "messages of service %q start no sync: onMessage is not configured, or the message has no eventID", service)
	}
	return f.StartSync(ctx, service, eventID, on.Sync)
}

// StartSync starts a sync for a message of the service, once per eventID. It returns the
// run, also if it was started before. NotFound: there is no such sync. Conflict: another run
// of it is at work.
func (f *Flow) StartSync(ctx context.Context, service, eventID, id string) (*syncrun.Run, error) {
	run, err := f.use.Syncs.Start(ctx, id, syncrun.Start{Trigger: "message", EventID: eventID})
	if fault.CodeOf(err) == fault.NotFound {
		return nil, fault.Wrap(fault.NotFound, err,
			"message %s of service %q was not delivered to the sync %q, which the configuration names and which does not exist", eventID, service, id)
	}
	return run, err
}

// ReceiveMessages takes the messages of services with onMessage off the bus until ctx
// ends, and returns then. The bus delivers a message again while its sync is busy.
func (f *Flow) ReceiveMessages(ctx context.Context) {
	var all sync.WaitGroup
	for _, g := range f.use.Gates {
		if g.Service().OnMessage != nil && g.Topic() != "" {
			all.Go(func() { f.receive(ctx, g) })
		}
	}
	all.Wait()
}

func (f *Flow) receive(ctx context.Context, g *gate.Gate) {
	name := g.Service().ServiceName
	log := f.o.Log.With("serviceName", name, "syncId", g.Service().OnMessage.Sync)
	sum := sha256.Sum256([]byte(name))
	sub := bus.Subscription{Topic: g.Topic(), Name: "headgate-sync-" + hex.EncodeToString(sum[:8])}
	for ctx.Err() == nil {
		err := f.o.Bus.Receive(ctx, sub, func() { f.catchUp(ctx, g) }, func(ctx context.Context, m bus.Message) error {
			if m.Attributes["serviceName"] != name {
				return nil // another service's: they share the topic
			}
			_, err := f.OnMessage(ctx, name, m.Attributes["eventID"])
			switch fault.CodeOf(err) {
			case fault.Conflict, fault.Unavailable:
				return err // the bus delivers the message again, later
			case "":
			default:
				log.Error("a message could not start its sync", "eventID", m.Attributes["eventID"], "error", err)
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			log.Warn("messages that start the sync cannot be received: trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
		}
	}
}

// catchUp starts the sync for the latest message, unless a run for it exists or the sync
// was defined later. A bus within the process loses its messages when the process dies,
// so messages of an earlier process may have started nothing. A sync brings everything up
// to date, so the latest message is enough.
func (f *Flow) catchUp(ctx context.Context, g *gate.Gate) {
	id := g.Service().OnMessage.Sync
	if err := f.startLatest(ctx, g, id); err != nil && ctx.Err() == nil {
		f.o.Log.Warn("the latest message could not start its sync", "serviceName", g.Service().ServiceName, "syncId", id, "error", err)
	}
}

func (f *Flow) startLatest(ctx context.Context, g *gate.Gate, id string) error {
	list, err := g.Messages(ctx, store.Page{State: store.Published, Limit: 1})
	if err != nil || len(list) == 0 {
		return err
	}
	def, err := f.use.Definitions.Get(ctx, id)
	if err != nil || !list[0].PublishedAt.After(def.CreatedAt) {
		return err
	}
	// A run that is at work may have read its source before this message.
	_, _, err = f.use.Syncs.Queue(ctx, id, syncrun.Start{Trigger: "message", EventID: list[0].EventID})
	if fault.CodeOf(err) == fault.Conflict { // a one-time sync has finished
		return nil
	}
	return err
}
