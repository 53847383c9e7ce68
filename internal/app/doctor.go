package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/unused"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// latestAlerts bounds the alerts of a service that an examination reads.
const latestAlerts = 100

// Beat stores that periodic work was done now. See [doctor.Beats].
func (a *App) Beat(ctx context.Context, name string) { a.beats.Beat(ctx, name) }

// swept returns the function that stores the time of a service's sweep. Where no process runs
// between requests, the sweep that each start makes is no sign that a scheduler calls.
func (a *App) swept(service string) func(context.Context, bool) {
	return func(ctx context.Context, requested bool) {
		if requested || a.backgroundCPU {
			a.Beat(ctx, doctor.SweepBeat+service)
		}
	}
}

// warnings returns what an operator should correct about a service. Where only a scheduler
// sweeps, that includes that it calls no more, which the log says once.
func (a *App) warnings(ctx context.Context, svc config.Service) ([]string, error) {
	said, err := a.flow.Warnings(ctx, svc)
	if svc.ServiceName == a.o.Config.Services[0].ServiceName { // they belong to no service: one says it for all
		said = append(said, a.abandonedSyncs(ctx)...)
	}
	if err != nil || a.backgroundCPU {
		return said, err
	}
	last, late, err := a.beats.Late(ctx, doctor.SweepBeat+svc.ServiceName)
	if err != nil {
		return said, nil // the warning is not worth the status
	}
	if !late {
		a.unswept.Delete(svc.ServiceName)
		return said, nil
	}
	if _, told := a.unswept.LoadOrStore(svc.ServiceName, true); !told {
		a.o.Log.WarnContext(ctx, "nothing has called for the sweep for a while", "serviceName", svc.ServiceName, "last", last.Format(time.RFC3339),
			"next", "see whether Cloud Scheduler calls POST /sweep: headgate doctor has the command")
	}
	return append(said, fmt.Sprintf("the latest sweep was at %s: messages that wait are published late, and what has expired stays. See whether Cloud Scheduler calls POST /sweep; headgate doctor has the command",
		last.UTC().Format(time.RFC3339))), nil
}

// observeTime bounds the question for the store's time before an examination.
const observeTime = 5 * time.Second

// Examine examines the deployment. It changes nothing. Callers at the same time share one
// examination. It returns an error only if ctx ends.
func (a *App) Examine(ctx context.Context) (doctor.Report, error) {
	return a.examined.Examine(ctx, a.examine)
}

func (a *App) examine(ctx context.Context) doctor.Report {
	asking, cancel := context.WithTimeout(ctx, observeTime)
	_ = a.o.clock.Observe(asking, a.o.Store.Now) // what is stored is judged by the store's time; if it does not answer, a check says so
	cancel()
	o := doctor.Options{
		Config: a.o.Config, Place: a.o.Place, Store: a.o.Store, Docs: a.o.Store, Topic: a.o.Bus.Ping, Secret: a.secret,
		Sources: a.sources, Webhooks: a.webhooks, Unused: a.Unused, Alerts: a.alertsOf, HookUsed: a.flow.HookUsed,
		Now: a.o.Now, Machine: a.o.machine, Random: func() string { return event.NewID(time.Now()) },
	}
	if a.o.Place.Resolve != nil {
		o.Secret = a.o.Place.Resolve
	}
	if a.o.ServesLive && a.stop != nil {
		o.Connected = a.live.Hub.Connected
	}
	return doctor.Examine(ctx, o)
}

// Unused returns the settings of the configuration that nothing uses now.
func (a *App) Unused(ctx context.Context) ([]unused.Setting, error) {
	defs, err := a.definitions(ctx)
	if err != nil {
		return nil, err
	}
	targets, err := a.outgoing.Targets(ctx, "")
	if err != nil {
		return nil, err
	}
	sources := make([]source.Datasource, len(defs))
	for i, def := range defs {
		sources[i] = def.Datasource
	}
	urls := make([]string, len(targets))
	for i, t := range targets {
		urls[i] = t.URL
	}
	return unused.Find(a.o.Config, sources, urls), nil
}

// definitions returns the syncs that are stored or declared. A declared one counts as the
// configuration has it, whether it is stored yet or not.
func (a *App) definitions(ctx context.Context) ([]*definition.Sync, error) {
	stored, err := a.defs.List(ctx, "")
	if err != nil {
		return nil, err
	}
	defs := make([]*definition.Sync, 0, len(stored)+len(a.declares))
	declared := make(map[string]bool)
	for _, def := range a.declares {
		declared[def.ID] = true
		defs = append(defs, def)
	}
	for _, d := range stored {
		if !declared[d.Sync.ID] {
			defs = append(defs, &d.Sync)
		}
	}
	return defs, nil
}

func (a *App) sources(ctx context.Context) (all []doctor.Source, err error) {
	defs, err := a.definitions(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := a.defs.List(ctx, "")
	abandoned := make(map[string]string)
	for _, d := range stored {
		if a.defs.Owner(d) == definition.Abandoned {
			abandoned[d.Sync.ID] = definition.AbandonedMessage(d.Sync.ID)
		}
	}
	for _, def := range defs {
		all = append(all, doctor.Source{ID: def.ID, Abandoned: abandoned[def.ID], Reach: func(ctx context.Context) (failures []string) {
			for _, look := range a.rows.Look(ctx, def) {
				if look.Error != "" {
					failures = append(failures, look.Datatype+": "+look.Error)
				}
			}
			return failures
		}})
	}
	return all, err
}

func (a *App) webhooks(ctx context.Context) (all []doctor.Webhook, err error) {
	targets, err := a.outgoing.Targets(ctx, "")
	for _, t := range targets {
		all = append(all, doctor.Webhook{
			ID: t.ID, Where: t.URL, Paused: t.State == outgoing.Paused, Failures: t.Failures, Waiting: t.Waiting(), First: t.Head,
			LastError: t.LastError, FailingSince: t.FailingSince,
		})
	}
	return all, err
}

func (a *App) alertsOf(ctx context.Context, service string) (found doctor.Alerts, err error) {
	g, err := a.Gate(service)
	if err != nil {
		return found, err
	}
	latest, err := g.LatestAlerts(ctx, latestAlerts)
	for _, one := range latest {
		if one.Waiting {
			found.Waiting, found.Oldest, found.LastError = found.Waiting+1, one.At, one.LastError
		}
		if one.Kind == alert.Overdue && one.At.After(found.Overdue) {
			found.Overdue, found.Lacked = one.At, lacked(one.Missing)
		}
	}
	return found, err
}

// lacked returns what was missing, in words.
func lacked(missing []window.Shortfall) string {
	parts := make([]string, len(missing))
	for i, m := range missing {
		parts[i] = fmt.Sprintf("%s (%d of %d)", m.EventKey, m.Have, m.Need)
	}
	return strings.Join(parts, ", ")
}
