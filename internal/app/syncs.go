package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/exchange"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// defaultInvocation leaves a request to Cloud Run, which has five minutes by
// default, time to conclude.
const defaultInvocation = 4 * time.Minute

// Task is a run that is handed to another invocation.
type Task struct {
	SyncID string `json:"syncId"`
	RunID  string `json:"runId"`
}

// newSyncs builds the use cases of syncs.
func (a *App) newSyncs() {
	a.defs = definition.New(definition.Options{
		Docs: a.o.Store, Runs: syncrun.NewLedger(a.o.Store, a.o.Now), Kinds: a.o.Kinds, Env: a.o.Env, Now: a.o.Now, Random: newID,
		Changed: func(id string) {
			a.own(SyncType, id)
			a.own(SyncType, AllOf)
		},
	})
	a.syncs = syncrun.New(a.syncOptions())
	a.rows = exchange.New(exchange.Options{
		Docs: a.o.Store, Definitions: a.defs, Kinds: a.o.Kinds, Env: a.o.Env, Log: a.o.Log, Now: a.o.Now, Random: newID,
		RecordsChanged: a.changed, StatusChanged: func(id string) { a.own(SyncType, id) },
	})
}

func newID() string { return event.NewID(time.Now()) }

func (a *App) syncOptions() syncrun.Options {
	o := syncrun.Options{
		Docs: a.o.Store, Definitions: a.defs, Kinds: a.o.Kinds, Env: a.o.Env, Log: a.o.Log, Now: a.o.Now, Machine: a.o.machine, Memory: a.o.Memory.Runs,
		RecordsChanged: a.changed, StatusChanged: func(id string) { a.own(SyncType, id) },
		Random: newID,
	}
	cfg := a.o.Config.Sync
	if cfg == nil {
		return o
	}
	o.MaxInvocation = time.Duration(cfg.MaxInvocationSeconds) * time.Second
	if cfg.WorkTopic != "" && !a.o.RunsOn {
		if o.MaxInvocation == 0 {
			o.MaxInvocation = defaultInvocation
		}
		o.Dispatch = func(ctx context.Context, syncID, runID string) error {
			data, err := json.Marshal(Task{syncID, runID})
			if err != nil {
				return err
			}
			_, err = a.o.Bus.Publish(ctx, cfg.WorkTopic, bus.Message{Data: data})
			return err
		}
	}
	return o
}

// OnMessage starts the sync that the service names for its messages, once per
// eventID. A run that is there already is returned. NotFound: the service names none.
func (a *App) OnMessage(ctx context.Context, service, eventID string) (*syncrun.Run, error) {
	g, err := a.Gate(service)
	if err != nil {
		return nil, err
	}
	on := g.Service().OnMessage
	if on == nil || eventID == "" {
		return nil, fault.New(fault.NotFound, "messages of service %q start no sync: onMessage is not configured, or the message has no eventID", service)
	}
	return a.syncs.Start(ctx, on.Sync, syncrun.Start{Trigger: "message", EventID: eventID})
}

// receiveMessages takes messages of services with onMessage off the bus until
// ctx ends. A message whose sync is busy comes again.
func (a *App) receiveMessages(ctx context.Context) {
	for _, g := range a.gates {
		if g.Service().OnMessage == nil {
			continue
		}
		a.running.Go(func() { a.receive(ctx, g) })
	}
}

func (a *App) receive(ctx context.Context, g *gate.Gate) {
	name := g.Service().ServiceName
	log := a.o.Log.With("serviceName", name, "syncId", g.Service().OnMessage.Sync)
	sum := sha256.Sum256([]byte(name))
	sub := bus.Subscription{Topic: g.Service().TargetPubSub.Topic, Name: "headgate-sync-" + hex.EncodeToString(sum[:8])}
	for ctx.Err() == nil {
		err := a.o.Bus.Receive(ctx, sub, func() { a.catchUp(ctx, g) }, func(ctx context.Context, m bus.Message) error {
			if m.Attributes["serviceName"] != name {
				return nil // the topic is shared
			}
			_, err := a.OnMessage(ctx, name, m.Attributes["eventID"])
			switch fault.CodeOf(err) {
			case fault.Conflict, fault.Unavailable:
				return err // again, later
			case "":
			default:
				log.Error("a message did not start its sync", "eventID", m.Attributes["eventID"], "error", err)
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			log.Warn("messages that start the sync are not received: trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
		}
	}
}

// catchUp starts the sync for the latest message if it was published after the
// sync was defined and nothing ran for it: a bus within the process forgets what
// it held when that dies. A sync brings everything up to date, so one is enough.
func (a *App) catchUp(ctx context.Context, g *gate.Gate) {
	list, err := g.Messages(ctx, store.Page{State: store.Published, Limit: 1})
	if err != nil || len(list) == 0 {
		return
	}
	def, err := a.defs.Get(ctx, g.Service().OnMessage.Sync)
	if err != nil || !list[0].PublishedAt.After(def.CreatedAt) {
		return
	}
	if _, err := a.OnMessage(ctx, g.Service().ServiceName, list[0].EventID); err != nil && fault.CodeOf(err) != fault.Conflict {
		a.o.Log.Warn("the sync of the latest message was not started", "syncId", def.Sync.ID, "error", err)
	}
}

// runDue starts what is due and takes over what died.
func (a *App) runDue(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, _, err := a.syncs.Due(ctx); err != nil && !errors.Is(err, context.Canceled) {
		a.o.Log.Warn("syncs that are due were not all started", "error", err)
	}
}
