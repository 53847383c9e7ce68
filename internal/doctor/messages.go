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
	age := e.Now().Sub(oldest)
	if n == 0 || age < stuckAfter {
		found(ok("message.published", "messages of service %q that wait to be published: %d", svc.ServiceName, n))
		return nil
	}
	text := fmt.Sprintf("%s to be published by service %q, the oldest for %s", plural(n, "message waits", "messages wait"), svc.ServiceName, short(age))
	first, err := e.Store.Claims(ctx, svc.ServiceName, store.Page{State: store.Claimed, OldestFirst: true, Limit: 1})
	if err == nil && len(first) > 0 && first[0].LastError != "" {
		text += ": " + inSentence(first[0].LastError)
	}
	fix := e.curl("POST", e.servicePath(svc)+"/sweep")
	if err == nil && len(first) > 0 && first[0].EventID != "" {
		fix = e.Place.Headgate(e.ofService(svc, "replay", first[0].EventID)...)
	}
	found(Finding{"message.stuck", Error, text, fix})
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
	if e.Alerts == nil || svc.Alerts == nil {
		return
	}
	a, err := e.Alerts(ctx, svc.ServiceName)
	switch {
	case err != nil:
		found(notChecked("alert.delivered", "the alerts of service %q: they could not be read", svc.ServiceName))
	case err == nil && a.Waiting > 0 && e.Now().Sub(a.Oldest) >= stuckAfter:
		found(Finding{"alert.stuck", Error, fmt.Sprintf("%s for a receiver of service %q, the oldest for %s: %s",
			plural(a.Waiting, "alert waits", "alerts wait"), svc.ServiceName, short(e.Now().Sub(a.Oldest)), inSentence(a.LastError)), e.curl("POST", e.servicePath(svc)+"/sweep")})
	}
}

// ofService adds the flag that names the service, if there are several.
func (e *examination) ofService(svc config.Service, words ...string) []string {
	if len(e.Config.Services) > 1 {
		words = append(words, "--service", shell.Quote(svc.ServiceName))
	}
	return words
}
