package flow

import (
	"context"
	"slices"
	"time"

	"github.com/headgate/headgate/live"
)

// OwnOrg is the organisation of the live entities that are about Headgate itself. They
// carry no data. A client that gets a signal of one reads the endpoint that serves it.
const OwnOrg = "headgate"

// Types of OwnOrg's entities.
const (
	GateType   = "gates"       // id: the service's name; /status, /pending, /messages
	SyncType   = "syncs"       // id: the sync's; /sync/{id}, /sync/{id}/runs; AllOf: /sync
	ClientType = "connections" // id: AllOf; of this instance alone; /live/clients
	HookType   = "webhooks"    // id: AllOf; /webhooks, /webhooks/{id}/deliveries
)

// AllOf is the id of the list of a type.
const AllOf = "all"

// ownGap is the least time between two signals of one of our own entities.
const ownGap = 300 * time.Millisecond

// GateChanged tells live clients that the gate of a service changed.
func (f *Flow) GateChanged(service string) { f.own(GateType, service) }

// SyncChanged tells live clients that a sync's run or its conflicts changed.
func (f *Flow) SyncChanged(id string) { f.own(SyncType, id) }

// WebhooksChanged tells live clients that a registered URL or its deliveries changed.
func (f *Flow) WebhooksChanged() { f.own(HookType, AllOf) }

// DefinitionChanged tells live clients that a sync's definition changed, and so the list
// of syncs, and the warnings of gates whose messages start it.
func (f *Flow) DefinitionChanged(id string) {
	f.own(SyncType, id)
	f.own(SyncType, AllOf)
	for _, svc := range f.o.Config.Services {
		if slices.Contains(svc.SyncsStarted(), id) {
			f.GateChanged(svc.ServiceName)
		}
	}
}

// ClientsChanged tells live clients that a client subscribed to the entity, left it, or
// got a change of it. Our own entities are left out: a viewer of the list of clients gets
// changes of that list, and each of these would cause another one, for ever.
func (f *Flow) ClientsChanged(k live.Key) {
	if k.Org != OwnOrg {
		f.own(ClientType, AllOf)
	}
}

// own signals an entity of ours at once, and then at most every ownGap, however often it
// changes. The last change is always signalled.
func (f *Flow) own(typ, id string) {
	if !f.heard() {
		return
	}
	k := live.Key{Org: OwnOrg, Type: typ, ID: id}
	f.signals.spawn(k, func(stopped context.Context) {
		signalAtMostOften(stopped, func(ctx context.Context) { f.signalOwn(ctx, k) })
	})
}

// signalAtMostOften signals, and then waits until the next signal may follow.
func signalAtMostOften(stopped context.Context, signal func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(stopped, notifyTimeout)
	signal(ctx)
	cancel()
	t := time.NewTimer(ownGap)
	defer t.Stop()
	select {
	case <-t.C:
	case <-stopped.Done():
	}
}

// signalOwn tells the subscribed clients. A client that misses it hears of the change at
// its next comparison of versions.
func (f *Flow) signalOwn(ctx context.Context, k live.Key) {
	if k.Type == ClientType {
		f.use.Hub.NotifyLocal(k)
		return
	}
	if err := f.Notify(ctx, []live.Key{k}); err != nil && ctx.Err() == nil {
		f.o.Log.Debug("a change did not reach every instance", "type", k.Type, "id", k.ID, "error", err)
	}
}
