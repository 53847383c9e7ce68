package flow

import (
	"context"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/live"
)

// ChangedElsewhere tells the live clients of this instance, and drafts, of documents that
// another process wrote to the same store. Clients are notified of records by name. After a
// write of anything else it compares the versions of all stored entities that are no records,
// because several documents may make up what a client sees.
func (f *Flow) ChangedElsewhere(changed []store.Changed) {
	type kind struct{ org, recordType string }
	records, others := map[kind][]live.Key{}, false
	for _, c := range changed {
		org, recordType, ok := store.RecordType(c.Collection)
		if !ok {
			others = true
			continue
		}
		k := kind{org, recordType}
		records[k] = append(records[k], live.Key{Org: org, Type: recordType, ID: c.ID})
	}
	for k, keys := range records {
		f.use.Hub.NotifyLocal(keys...)
		f.inBackground(func() {
			ctx, cancel := context.WithTimeout(context.Background(), refreshTime)
			defer cancel()
			f.refreshDrafts(ctx, f.showsRecords(ctx, k.org, k.recordType))
		})
	}
	if others {
		f.use.Hub.Compare(func(k live.Key) bool { return f.stored(k) && !isRecord(k) })
	}
}

// ChangedMeanwhile compares the versions of everything in the store that live clients of this
// instance subscribed to. Other processes may have written to it unseen.
func (f *Flow) ChangedMeanwhile() { f.use.Hub.Compare(f.stored) }

// stored reports whether the entity is in the store, and not one of another service.
func (f *Flow) stored(k live.Key) bool { return k.Org == OwnOrg || f.o.Resolver(k) == nil }

// isRecord reports whether an entity in the store is a record.
func isRecord(k live.Key) bool {
	switch {
	case k.Org == OwnOrg:
		return false
	case k.Org != live.DefaultOrg:
		return true
	}
	return k.Type != ListType && k.Type != SessionType && k.Type != DraftType
}
