package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/platform/shell"
)

// Names of periodic work. That of a sweep is followed by the service's name.
const (
	SweepBeat    = "sweep "
	DueBeat      = "sync/due"
	WebhooksBeat = "webhooks/sweep"
)

const (
	// everyMinute is the interval of the jobs of Cloud Scheduler in the documentation.
	everyMinute = time.Minute
	// lateAfter is the number of intervals without a beat after which the work is late. Fewer
	// may be a deployment or a retry.
	lateAfter = 3
)

// defaultAccount ends the name of the account as which services run that name none.
const defaultAccount = "-compute@developer.gserviceaccount.com"

// beat is periodic work of this deployment.
type beat struct {
	name, what string
	path, job  string // what Cloud Scheduler calls, and the name of its job
	doubt      string // what does not happen without it
}

// beats returns the periodic work that this configuration needs.
func (e *examination) beats() (all []beat) {
	jobs := deploy.Jobs(e.Config)
	jobOf := func(path string) string {
		if i := slices.IndexFunc(jobs, func(j deploy.Job) bool { return j.Calls.Path == path }); i >= 0 {
			return jobs[i].Name
		}
		return deploy.Name
	}
	for i, svc := range e.Config.Services {
		all = append(all, beat{SweepBeat + svc.ServiceName, fmt.Sprintf("the sweep of service %q", svc.ServiceName), e.servicePath(svc) + "/sweep", jobs[i].Name,
			"messages that wait are published late, and what has expired stays"})
	}
	if e.Place.Background {
		return all // the tick that sweeps does the rest as well
	}
	if len(e.Config.Syncs) > 0 {
		all = append(all, beat{DueBeat, "the start of syncs that are due", "/sync/due", jobOf("/sync/due"), "no sync runs by its schedule"})
	}
	if e.Config.Echo != nil {
		all = append(all, beat{WebhooksBeat, "the sweep of webhooks", "/webhooks/sweep", jobOf("/webhooks/sweep"), "deliveries that failed are not tried again"})
	}
	return all
}

// beatCheck looks when the work was done last, and whether that was as long ago as usual.
func (e *examination) beatCheck(b beat) Check {
	return Check{Name: "the store, asked for " + b.what + ",", Code: "sweep", Late: NotChecked, Do: func(ctx context.Context, found func(Finding)) {
		at, err := readBeats(ctx, e.Docs, b.name)
		switch {
		case err != nil:
			found(notChecked("sweep.recent", "%s: the store could not be read", b.what))
		case len(at) == 0:
			state := Error
			if e.Place.Background { // a process that has just begun sweeps in a moment
				state = Warning
			}
			found(Finding{"sweep.never", state, fmt.Sprintf("nothing has called for %s yet: %s", b.what, b.doubt), e.schedule(ctx, b, true)})
		default:
			found(e.age(ctx, b, at))
		}
	}}
}

func (e *examination) age(ctx context.Context, b beat, at []time.Time) Finding {
	age, usual, late := lateness(at, e.Now())
	if late > 0 {
		return Finding{"sweep.late", e.sweepState(), fmt.Sprintf("%s was %s ago, and is late by %s of %s: %s", b.what, short(age), plural(late, "interval", "intervals"), short(usual), b.doubt), e.schedule(ctx, b, false)}
	}
	return ok("sweep.recent", "%s was %s ago", b.what, short(age))
}

// sweepState is Error where nobody but a scheduler calls, or where this process should.
func (e *examination) sweepState() State {
	if e.Place.Background && !e.Place.Serves {
		return Warning // perhaps no server is meant to run now
	}
	return Error
}

// schedule returns the command that has somebody call for the work.
func (e *examination) schedule(ctx context.Context, b beat, never bool) string {
	if e.Place.Background {
		if e.Place.Serves { // its own tick fails, which the log explains
			return e.curl("POST", b.path)
		}
		return e.Place.Headgate("serve")
	}
	caller := "headgate-caller@" + e.Place.Project + ".iam.gserviceaccount.com"
	if _, account := e.Place.own(ctx); strings.HasSuffix(account, defaultAccount) { // the six commands make no account
		caller = account
	}
	location := e.project() + " --location=" + e.region(ctx)
	if !never {
		return "gcloud scheduler jobs resume " + b.job + location
	}
	base := e.base()
	return "gcloud scheduler jobs create http " + b.job + location + ` --schedule="* * * * *" --http-method=post --attempt-deadline=300s --uri="` + base + shell.InQuotes(b.path) +
		`" --oidc-service-account-email=` + shell.Quote(caller) + ` --oidc-token-audience="` + base + `"`
}
