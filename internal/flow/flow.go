// Package flow carries news between the use cases. A record that changed reaches live
// clients and drafts; a list that changed reaches them and the targets of webhooks; a
// message of the gate starts a sync; a hook starts a sync, an event or a signal.
//
// The use cases do not know each other. Each calls a function when something happened,
// and those functions are the methods of [Flow]. The Flow is made first, because the use
// cases need its methods. It gets the use cases by [Flow.Connect], before any of them works.
//
// Its news are hints: every change is stored before the Flow carries it. On failure the
// Flow logs and continues, because live clients compare versions, sweeps deliver to targets,
// and drafts are refreshed at start.
package flow

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/outgoing"
	"github.com/headgate/headgate/live"
)

// notifyTimeout bounds how long a change waits for the bus.
const notifyTimeout = 2 * time.Second

// Options configure a Flow.
type Options struct {
	Config *config.Config
	Log    *slog.Logger
	Now    func() time.Time
	Bus    bus.Bus
	// BackgroundCPU says that the process has CPU between requests. Without it, all effects
	// of a change are complete before the caller that made the change continues.
	BackgroundCPU bool
	// Shared says that changes reach the live clients of other instances.
	Shared bool
	// Resolver returns the configured resolver of an entity, or nil.
	Resolver func(live.Key) live.Resolver
	// SourceHook verifies the webhooks of the source of truth; nil: they are not verified.
	SourceHook *incoming.Hook
	Hooks      map[string]*incoming.Hook // by name
	// Meter counts webhooks. nil: nobody does.
	Meter *meter.Meter
	// HTTP calls the Fluid service of the configuration. nil refuses.
	HTTP *http.Client
}

// UseCases are the use cases that a Flow connects.
type UseCases struct {
	Gates       []*gate.Gate
	Records     *entity.Service
	Definitions *definition.Service
	Syncs       *syncrun.Service
	Sessions    *incoming.Sessions
	Incoming    *incoming.Service
	Outgoing    *outgoing.Service
	Drafts      *draft.Service
	Hub         *live.Hub
}

// Flow connects the use cases. All methods may be called concurrently, after Connect.
type Flow struct {
	o   Options
	use UseCases

	telling   sync.WaitGroup // the work of inBackground
	refreshes *reruns[string]
	signals   *reruns[live.Key]
	versions  ownVersions
	refusals  refusals
}

// New returns a Flow that connects nothing yet.
func New(o Options) *Flow {
	return &Flow{o: o, refreshes: newReruns[string](), signals: newReruns[live.Key]()}
}

// Connect gives the Flow the use cases. It is called once, before any other method.
func (f *Flow) Connect(u UseCases) { f.use = u }

// Start refreshes the drafts, whose sources may have changed while no process ran.
func (f *Flow) Start() {
	if f.o.BackgroundCPU {
		f.telling.Go(func() { f.refreshDrafts(context.Background(), everyDraft) })
	}
}

// Close stops refreshing drafts and signalling, and waits for the work under way, all of
// which has a time-out.
func (f *Flow) Close() {
	f.refreshes.close()
	f.telling.Wait()
	f.signals.close()
}

// inBackground calls do in the background if the process has CPU between requests. If not,
// nothing would run once the request is answered, so it waits for do.
func (f *Flow) inBackground(do func()) {
	if f.o.BackgroundCPU {
		f.telling.Go(do)
		return
	}
	do()
}

// Notify tells the live clients of every instance that entities changed. Unavailable means
// that only the clients of this instance were told.
func (f *Flow) Notify(ctx context.Context, keys []live.Key) error {
	if err := f.use.Hub.Notify(ctx, keys...); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the bus does not answer: only the clients of this instance were told")
	}
	return nil
}

// heard reports whether a live client could hear of a change.
func (f *Flow) heard() bool { return f.o.Shared || f.use.Hub.Len() > 0 }

// RecordsChanged tells live clients and drafts of records that were committed. The writer
// does not wait for the bus, unless the process has no CPU between requests.
func (f *Flow) RecordsChanged(ctx context.Context, org, recordType string, ids []string) {
	if !f.heard() && len(f.o.Config.Drafts) == 0 {
		return
	}
	keys := make([]live.Key, len(ids))
	for i, id := range ids {
		keys[i] = live.Key{Org: org, Type: recordType, ID: id}
	}
	span := trace.Current(ctx)
	f.inBackground(func() {
		traced := span.Into(context.Background()) // ctx may end before
		ctx, cancel := context.WithTimeout(traced, notifyTimeout)
		defer cancel()
		if err := f.Notify(ctx, keys); err != nil {
			f.o.Log.WarnContext(ctx, "a change did not reach every instance: live clients get it when versions are compared", "error", err)
		}
		refreshing, stop := context.WithTimeout(traced, refreshTime) // the bus may have taken all of ctx
		defer stop()
		f.refreshDrafts(refreshing, f.showsRecords(refreshing, org, recordType))
	})
}

// ListChanged tells the live clients of a list and of the sessions that have it open, the
// drafts that show it, and the targets of webhooks.
func (f *Flow) ListChanged(ctx context.Context, list string, sessions []incoming.Session) {
	keys := []live.Key{{Org: live.DefaultOrg, Type: ListType, ID: list}}
	for _, s := range sessions {
		keys = append(keys, live.Key{Org: live.DefaultOrg, Type: SessionType, ID: s.ID()})
	}
	tell, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	if err := f.Notify(tell, keys); err != nil {
		f.o.Log.Warn("a list's change did not reach every instance: live clients get it when versions are compared", "list", list, "error", err)
	}
	f.inBackground(func() { f.refreshDrafts(ctx, showsList(list)) })
	if cfg := f.o.Config.Echo; cfg != nil && cfg.Broadcast != "" {
		f.inBackground(func() { f.broadcast(ctx, cfg.Broadcast, list, sessions) })
	}
	f.use.Outgoing.Announce(ctx, list)
}

// DraftChanged tells the live clients of a draft.
func (f *Flow) DraftChanged(ctx context.Context, name string) {
	if err := f.Notify(ctx, []live.Key{{Org: live.DefaultOrg, Type: DraftType, ID: name}}); err != nil {
		f.o.Log.Warn("a draft's change did not reach every instance: live clients get it when versions are compared", "draft", name, "error", err)
	}
}
