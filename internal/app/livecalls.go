package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/flow"
	"github.com/headgate/headgate/internal/live/resolver"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/sync/definition"
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

// UnresolvedEntity returns a warning if neither a resolver of the configuration nor Headgate
// itself has the entity, and no declared sync makes records of it; "" otherwise. Records that
// are only in the store are not known here.
func UnresolvedEntity(cfg *config.Config, entity string) string {
	k := live.KeyOf(entity, "id")
	if flow.Own(k) || slices.ContainsFunc(cfg.LiveSettings().Resolvers, func(r config.LiveResolver) bool { return serves(r.Entity, k) }) {
		return ""
	}
	declared, _ := definition.Declared(cfg.Syncs, func(*definition.Sync) []fault.Detail { return nil })
	for _, def := range declared {
		types := def.Datasource.SelectedDatatypes // none: all that its source has
		if def.OrgID == k.Org && (len(types) == 0 || slices.Contains(types, k.Type)) {
			return ""
		}
	}
	return fmt.Sprintf("live.resolvers does not name the entity %q: while there are no records of it, its signals reach nobody", entity)
}

// A NotSent is an entity that no client can get: its resolver may not be called, or there is
// none.
type NotSent struct {
	Entity string `json:"entity"`
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// lookupTime bounds how long CanSend asks name servers.
const lookupTime = 2 * time.Second

// CanSend divides keys into those whose entities can be fetched and those that no instance
// can fetch: their resolver may not be called, or there is neither a resolver nor a record of
// their type.
func (a *App) CanSend(ctx context.Context, keys []live.Key) (can []live.Key, not []NotSent) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	refused := map[string]error{}       // by origin
	unresolved := map[live.Key]string{} // by type, with the id "" apart
	for _, k := range keys {
		if reason := a.unsendable(ctx, k, refused, unresolved); reason != "" {
			not = append(not, NotSent{k.Entity(), k.ID, reason})
		} else {
			can = append(can, k)
		}
	}
	return can, not
}

// unsendable returns why no instance can fetch the key's entity, or "".
func (a *App) unsendable(ctx context.Context, k live.Key, refused map[string]error, unresolved map[live.Key]string) string {
	if a.resolver(k) != nil {
		if err := a.uncallable(ctx, k, refused); err != nil {
			return "the resolver cannot be called: " + messageOf(err)
		}
		return ""
	}
	of := k
	if k.ID != "" {
		of.ID = live.Any
	}
	reason, known := unresolved[of]
	if !known {
		reason = a.flow.Unresolved(ctx, k)
		unresolved[of] = reason
	}
	return reason
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
