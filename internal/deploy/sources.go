package deploy

import (
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/config"
)

// Jobs returns the jobs that a deployment of the configuration needs, without sources of
// endpoints: first the sweeps, in the order of the services.
func Jobs(cfg *config.Config) []Job {
	b := &builder{cfg: cfg, Plan: new(Plan)}
	b.jobs()
	return b.Jobs
}

// sourceRetries is the most that Cloud Scheduler takes. By itself it repeats nothing, and the
// event of a day would be lost with one answer of 503.
const sourceRetries = 5

// jobs plans the calls by which windows close and what waits is sent while no request arrives.
func (b *builder) jobs() {
	for i, s := range b.cfg.Services {
		name := "headgate-sweep"
		if i > 0 {
			name += "-" + s.ServiceName
		}
		b.job(name, everyMinute, "", b.calls("sweep", b.path(i, "/sweep")), 300)
	}
	if b.hasSyncs() {
		b.job("headgate-sync", everyMinute, "", b.calls("syncrun", "/sync/due"), 300)
	}
	b.job("headgate-webhooks", everyMinute, "", b.calls("echo", "/webhooks/sweep"), 120)
}

func (b *builder) job(name, cron, zone string, calls Push, deadline int) {
	name = unique(name, func(n string) bool { return slices.ContainsFunc(b.Jobs, func(j Job) bool { return j.Name == n }) })
	if zone == "" {
		zone = "Etc/UTC"
	}
	b.Jobs = append(b.Jobs, Job{Name: name, Cron: cron, TimeZone: zone, Calls: calls, Deadline: deadline})
}

// sources plans what calls the endpoints and feeds.
func (b *builder) sources() {
	for i, s := range b.cfg.Services {
		for _, e := range s.Endpoints {
			b.source(e.Source, e.EventKey, b.path(i, "/event/"+escaped(e.EventKey)))
		}
		for _, f := range s.Feeds {
			b.source(f.Source, f.Name, b.path(i, "/feed/"+f.Name))
		}
	}
}

// source plans what calls one address. Its name is made of that of the endpoint or the feed.
func (b *builder) source(s *config.Source, of, path string) {
	if s == nil {
		return
	}
	name, calls := "headgate-source-"+of, b.calls("ingest", path)
	switch {
	case s.Scheduler != nil:
		b.job(name, s.Scheduler.Cron, s.Scheduler.TimeZone, calls, 60)
		b.Jobs[len(b.Jobs)-1].Retries = sourceRetries
	case s.PubSub != nil:
		b.subscribe(Subscription{Name: unique(name, func(string) bool { return false }), Topic: b.topic(s.PubSub.Topic), Push: &calls})
	case s.Eventarc != nil:
		b.eventarc(name, s.Eventarc, calls)
	}
}

func (b *builder) eventarc(name string, s *config.SourceEventarc, calls Push) {
	b.apis("eventarc.googleapis.com")
	name = unique(name, func(n string) bool {
		return slices.ContainsFunc(b.Triggers, func(t Trigger) bool { return t.Name == n })
	})
	t := Trigger{Name: name, Location: s.Location, Filters: []Filter{{"type", s.Type}}, Calls: calls}
	if t.Location == "" {
		t.Location = b.Region
	}
	for _, f := range s.Filters {
		attribute, value, _ := strings.Cut(f, "=")
		t.Filters = append(t.Filters, Filter{attribute, value})
	}
	b.Triggers = append(b.Triggers, t)
	b.grant(OnProject, Resource{}, "roles/eventarc.eventReceiver", Calls)
	if b.cfg.Auth != nil {
		b.note("a token of Eventarc is for the URL of %s: auth.oidc.audiences must list that URL", calls.Service)
	}
	if strings.HasPrefix(s.Type, "google.cloud.storage.object.") {
		b.apis("storage.googleapis.com")
		b.grant(OnProject, Resource{}, publisher, StorageAgent)
	}
}

// escaped returns an eventKey as the end of a path: its slashes divide it.
func escaped(key string) string {
	part := strings.Split(key, "/")
	for i := range part {
		part[i] = url.PathEscape(part[i])
	}
	return strings.Join(part, "/")
}
