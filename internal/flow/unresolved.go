package flow

import (
	"context"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/live"
)

// Own reports whether Headgate itself has the entity, and not as a record.
func Own(k live.Key) bool {
	if k.Org == OwnOrg {
		return true
	}
	return k.Org == live.DefaultOrg && (k.Type == ListType || k.Type == SessionType || k.Type == DraftType)
}

// Unresolved returns why no client can get entities of the key's type: no resolver has them,
// and there never was a record of the type. "" says that they may exist, also where the store
// does not answer: then it is not known that they do not.
func (f *Flow) Unresolved(ctx context.Context, k live.Key) string {
	if _, ofRecords := f.Resolver(k).(recordResolver); !ofRecords {
		return ""
	}
	if k.ID == "" {
		return `live.resolvers does not name the entity, and no record has the id ""`
	}
	if exists, err := f.use.Records.Any(ctx, k.Org, k.Type); err != nil || exists {
		return ""
	}
	return "live.resolvers does not name the entity, and there is no record of this type"
}

// warnOfUnresolved logs hooks whose signals name an entity that no client can get. It knows
// only entities that are the same for all webhooks of a hook.
func (f *Flow) warnOfUnresolved(ctx context.Context, hooks []config.Hook) {
	for _, h := range hooks {
		hook := f.o.Hooks[h.Name]
		if !h.Signal || hook == nil {
			continue
		}
		entity, constant := hook.Entity.Constant()
		if !constant {
			continue
		}
		if reason := f.Unresolved(ctx, live.KeyOf(entity, "id")); reason != "" {
			f.o.Log.Warn("a hook signals an entity that no client can get: its signals have no effect", "hook", h.Name, "entity", entity, "reason", reason)
		}
	}
}
