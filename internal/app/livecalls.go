package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/live/resolver"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/live"
)

// UncallableLive returns a warning for each URL of live that the client refuses to call. It
// asks no name server, so it misses names that resolve to internal addresses.
func UncallableLive(cfg *config.Config, client *http.Client) (warnings []string) {
	if cfg.Live == nil {
		return nil
	}
	type call struct{ setting, url string }
	var calls []call
	for i, r := range cfg.Live.Resolvers {
		of := resolver.HTTP{URL: r.URL}
		calls = append(calls, call{fmt.Sprintf("live.resolvers[%d].url", i), of.Target(live.KeyOf("type", "id"))})
	}
	if p := cfg.Live.PassThrough; p != nil {
		calls = append(calls, call{"live.passThrough.url", p.URL})
	}
	if t := cfg.Live.Token; t != nil {
		calls = append(calls, call{"live.token.jwksURL", t.JWKSURL})
	}
	for _, c := range calls {
		u, err := url.Parse(c.url)
		if err != nil || c.url == "" { // there is a topic or a secret instead
			continue
		}
		if err := outbound.RefusedUnresolved(outbound.OrRefuse(client), u); err != nil {
			warnings = append(warnings, c.setting+" cannot be called: "+messageOf(err))
		}
	}
	return warnings
}

// messageOf returns what an error of the outbound client tells callers.
func messageOf(err error) string {
	if f, is := errors.AsType[*fault.Error](err); is {
		return f.Message
	}
	return "it is refused"
}

// A NotSent is an entity that no client can get, because its resolver may not be called.
type NotSent struct {
	Entity string `json:"entity"`
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// lookupTime bounds how long CanSend asks name servers.
const lookupTime = 2 * time.Second

// CanSend divides keys into those whose entities can be fetched and those whose resolver may
// not be called, on any instance.
func (a *App) CanSend(ctx context.Context, keys []live.Key) (can []live.Key, not []NotSent) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	known := map[string]error{} // by origin
	for _, k := range keys {
		if err := a.uncallable(ctx, k, known); err != nil {
			not = append(not, NotSent{k.Entity(), k.ID, "the resolver cannot be called: " + messageOf(err)})
		} else {
			can = append(can, k)
		}
	}
	return can, not
}

// uncallable returns the error with which every call of the key's resolver is refused, or nil.
func (a *App) uncallable(ctx context.Context, k live.Key, known map[string]error) error {
	r, is := a.resolver(k).(*resolver.HTTP)
	if !is {
		return nil // we have the entity ourselves
	}
	u, err := url.Parse(r.Target(k))
	if err != nil {
		return nil // the fetch logs it
	}
	origin := u.Scheme + "://" + u.Host
	if _, asked := known[origin]; !asked {
		known[origin] = outbound.Refused(ctx, r.Client, u)
	}
	return known[origin]
}
