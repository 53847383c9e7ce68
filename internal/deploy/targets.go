package deploy

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/headgate/headgate/config"
)

var (
	// runURL is the address of a service of Cloud Run that tells its name and place.
	runURL = regexp.MustCompile(`^([a-z][a-z0-9-]*)-[0-9]+\.([a-z]+-[a-z]+[0-9]+)\.run\.app$`)
	// apiPath is the path of a thing in Google's APIs: what, and what is done with it. A name
	// that begins with a dash would be a flag of gcloud.
	apiPath = regexp.MustCompile(`^/v[0-9]+/projects/([a-z0-9][a-z0-9.:-]*)/locations/([a-z][a-z0-9-]*)/(workflows|queues|jobs)/([A-Za-z0-9][A-Za-z0-9_-]*)(/executions|/tasks|:run)$`)
	// bucket is the name of the bucket in the URL of a file.
	bucket = regexp.MustCompile(`^gs://([a-z0-9][a-z0-9._-]*)/`)
)

// targets plans the roles by which HTTP targets and receivers of alerts are called.
func (b *builder) targets() {
	for _, s := range b.cfg.Services {
		for _, t := range s.AllTargets() {
			if t.HTTP != nil {
				b.target(*t.HTTP)
			}
		}
		if s.Alerts != nil {
			for _, h := range s.Alerts.HTTP {
				b.target(h)
			}
		}
	}
}

func (b *builder) target(h config.TargetHTTP) {
	u, err := url.Parse(h.URL)
	if err != nil {
		return // the configuration was checked
	}
	host := strings.ToLower(u.Hostname())
	if h.Audience() != "" {
		if m := runURL.FindStringSubmatch(host); m != nil {
			b.grant(OnService, Resource{Location: m[2], Name: m[1]}, invoker, Runtime)
			return
		}
		b.note("let %s call %s: it is a target with oidc, and its URL does not tell which service it is", b.Email(Name), host)
		return
	}
	if len(h.Scopes()) == 0 {
		return
	}
	m := apiPath.FindStringSubmatch(u.Path)
	if m == nil {
		b.note("give %s the role that %s needs: it is a target with oauth", b.Email(Name), host)
		return
	}
	on := Resource{Project: m[1], Location: m[2], Name: m[4]}
	switch m[3] {
	case "workflows": // has no policy of its own: the role is the project's
		b.grant(OnProject, Resource{Project: m[1]}, "roles/workflows.invoker", Runtime)
	case "queues":
		b.grant(OnQueue, on, enqueuer, Runtime)
	case "jobs":
		role := invoker
		if body, _ := h.Body.(map[string]any); body["overrides"] != nil {
			role = "roles/run.jobsExecutorWithOverrides"
		}
		b.grant(OnJob, on, role, Runtime)
	}
}

// timers plans the queues of tasks that close windows, and the right to make tasks that call as
// an account.
func (b *builder) timers() {
	for _, s := range b.cfg.Services {
		t := s.Timers
		if t == nil {
			continue
		}
		b.apis("cloudtasks.googleapis.com")
		part := strings.Split(t.Queue, "/") // projects/P/locations/L/queues/Q
		q := b.here(Resource{Project: part[1], Location: part[3], Name: part[5]})
		if q.Project != "" {
			b.note("the queue %s must exist: it belongs to another project", t.Queue)
		} else {
			b.queue(Queue{Location: q.Location, Name: q.Name})
		}
		b.grant(OnQueue, q, enqueuer, Runtime)
		if t.ServiceAccount == "" {
			continue
		}
		b.grant(OnServiceAccount, Resource{Name: b.account(t.ServiceAccount)}, actAs, Runtime)
		if !b.Services[0].Public && b.account(t.ServiceAccount) != Caller {
			b.grant(OnService, Resource{Location: b.Region, Name: b.calls("check", "").Service}, invoker, Member(t.ServiceAccount))
		}
	}
}

func (b *builder) queue(q Queue) {
	for _, o := range b.Queues {
		if o == q {
			return
		}
	}
	b.Queues = append(b.Queues, q)
}

// account returns the name of an account that the plan makes, and of others the e-mail address.
func (b *builder) account(email string) string {
	for _, ours := range []string{Name, Caller} {
		if strings.EqualFold(email, b.Email(ours)) {
			return ours
		}
	}
	return email
}

// syncs plans the right to read the files that declared syncs read from buckets.
func (b *builder) syncs() {
	if !b.hasSyncs() {
		return
	}
	for _, raw := range b.cfg.Syncs {
		for _, text := range strings.Split(string(raw), `"`) {
			if m := bucket.FindStringSubmatch(text); m != nil {
				b.grant(OnBucket, Resource{Name: m[1]}, "roles/storage.objectViewer", Runtime)
			}
		}
	}
	if b.cfg.Sync == nil || b.cfg.Sync.WorkTopic == "" {
		b.note("a run of a sync stops with the request that started it, and goes on a minute later: with sync.workTopic the next request follows at once")
	}
}
