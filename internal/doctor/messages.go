package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/shell"
	"github.com/headgate/headgate/internal/store"
)

// stuckAfter is the longest time that a message may wait: a sweep tries again each minute.
const stuckAfter = 5 * time.Minute

// overdueFor is the time for which a missed expectation counts, if no message followed: the
// next one of most schedules is due then.
const overdueFor = 24 * time.Hour

// messagesCheck looks for messages and alerts that do not leave.
func (e *examination) messagesCheck(svc config.Service) Check {
	name := fmt.Sprintf("the store, asked for the messages of service %q,", svc.ServiceName)
	return Check{Name: name, Code: "message", Do: func(ctx context.Context, found func(Finding)) {
		if err := e.backlog(ctx, svc, found); err != nil {
			found(notChecked("message.published", "the messages of service %q: they could not be read", svc.ServiceName))
		}
		if err := e.failed(ctx, svc, found); err != nil {
			found(notChecked("message.failed", "the failed messages of service %q: they could not be read", svc.ServiceName))
		}
		e.alerts(ctx, svc, found)
	}}
}

func (e *examination) backlog(ctx context.Context, svc config.Service, found func(Finding)) error {
	n, oldest, err := e.Store.Backlog(ctx, svc.ServiceName)
	if err != nil {
		return err
	}
	none := ok("message.published", "messages of service %q that wait to be published: %d", svc.ServiceName, n)
	if n == 0 {
		found(none)
		return nil
	}
	age := e.Now().Sub(oldest)
	f := Finding{"message.stuck", Error, fmt.Sprintf("%s to be published by service %q, the oldest for %s", plural(n, "message waits", "messages wait"), svc.ServiceName, short(age)),
		e.curl("POST", e.servicePath(svc)+"/sweep")}
	failure := ""
	first, err := e.Store.Claims(ctx, svc.ServiceName, store.Page{State: store.Claimed, OldestFirst: true, Limit: 1})
	if err == nil && len(first) > 0 {
		if failure = first[0].LastError; failure != "" {
			f.Text += ": " + inSentence(failure)
		}
		if first[0].EventID != "" {
			f.Fix = e.Place.Headgate(e.ofService(svc, "replay", first[0].EventID)...)
		}
	}
	switch {
	case age >= stuckAfter:
		found(f)
	case failure != "": // the topic or a target may have gone a moment ago
		f.Code, f.State, f.Text = "message.retrying", Warning, f.Text+"; it is tried again by itself"
		found(f)
	default:
		found(none)
	}
	return nil
}

func (e *examination) failed(ctx context.Context, svc config.Service, found func(Finding)) error {
	failed, err := e.Store.Claims(ctx, svc.ServiceName, store.Page{State: store.Failed, Limit: 1})
	if err != nil || len(failed) == 0 {
		return err
	}
	words := []string{"replay", failed[0].EventID}
	text := fmt.Sprintf("a message of service %q was given up at a target: %s", svc.ServiceName, failed[0].EventID)
	for _, t := range failed[0].Targets {
		if t.GivenUp() {
			words = append(words, "--target", shell.Quote(t.Name))
			text += fmt.Sprintf(" at %s (%s)", t.Name, inSentence(t.LastError))
			break
		}
	}
	found(Finding{"message.failed", Warning, text, e.Place.Headgate(e.ofService(svc, words...)...)})
	return nil
}

func (e *examination) alerts(ctx context.Context, svc config.Service, found func(Finding)) {
	if e.Alerts == nil || svc.Alerts == nil && len(svc.Expect) == 0 {
		return
	}
	a, err := e.Alerts(ctx, svc.ServiceName)
	if err != nil {
		found(notChecked("alert.delivered", "the alerts of service %q: they could not be read", svc.ServiceName))
		return
	}
	e.overdue(ctx, svc, a, found)
	if svc.Alerts != nil && a.Waiting > 0 && e.Now().Sub(a.Oldest) >= stuckAfter {
		found(Finding{"alert.stuck", Error, fmt.Sprintf("%s for a receiver of service %q, the oldest for %s: %s",
			plural(a.Waiting, "alert waits", "alerts wait"), svc.ServiceName, short(e.Now().Sub(a.Oldest)), inSentence(a.LastError)), e.curl("POST", e.servicePath(svc)+"/sweep")})
	}
}

// overdue tells of a gate that published no complete message by an instant of its expectation,
// and none since.
func (e *examination) overdue(ctx context.Context, svc config.Service, a Alerts, found func(Finding)) {
	if a.Overdue.IsZero() || e.Now().Sub(a.Overdue) > overdueFor {
		return
	}
	last, err := e.Store.Claims(ctx, svc.ServiceName, store.Page{Limit: 1})
	if err != nil || len(last) > 0 && last[0].Date.After(a.Overdue) {
		return // a list that cannot be read is reported for the messages that wait
	}
	text := fmt.Sprintf("service %q published no complete message by %s", svc.ServiceName, a.Overdue.UTC().Format(time.RFC3339))
	if a.Lacked != "" {
		text += ", because it lacked " + a.Lacked + ": see why these did not report"
	}
	found(Finding{"message.overdue", Warning, text, e.Place.Headgate(e.ofService(svc, "status")...)})
}

// ofService adds the flag that names the service, if there are several.
func (e *examination) ofService(svc config.Service, words ...string) []string {
	if len(e.Config.Services) > 1 {
		words = append(words, "--service", shell.Quote(svc.ServiceName))
	}
	return words
}
