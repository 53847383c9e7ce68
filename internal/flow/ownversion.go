package flow

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/live"
)

// ownResolver resolves our own entities. Their rows are empty: a client that gets a new
// version reads the endpoint. An announced change gets a new version without reading anything,
// because a gate may change often, and cost much to read. Where versions are compared, the
// version is new only if the content that clients read changed.
type ownResolver struct{ f *Flow }

func (ownResolver) PerSecret() bool { return false }

func (r ownResolver) Resolve(ctx context.Context, k live.Key, _ string) (s live.State, err error) {
	s.Rows = [][]byte{[]byte("{}")}
	if live.Announced(ctx) {
		s.Version = r.f.versions.changed(k, time.Now())
		return s, nil
	}
	content, err := r.f.contentOf(ctx, k)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return live.State{}, err
	}
	read, err := json.Marshal(content)
	if err != nil {
		return live.State{}, err
	}
	s.Version = r.f.versions.compared(k, sha256.Sum256(read), time.Now())
	return s, nil
}

// shownAtOnce is the number of messages and of runs that a view shows first.
const shownAtOnce = 20

// contentOf returns the part of what clients read of one of our own entities that may change
// without a signal to this instance. It must not change with the time alone: the entity would
// be new at every comparison.
func (f *Flow) contentOf(ctx context.Context, k live.Key) (any, error) {
	switch k.Type {
	case GateType:
		for _, g := range f.use.Gates {
			if g.Service().ServiceName != k.ID {
				continue
			}
			s, err := g.Status(ctx, nil)
			if err != nil {
				return nil, err
			}
			s.CountedSince = time.Time{} // moves when the clock is corrected
			list, err := g.Messages(ctx, store.Page{Limit: shownAtOnce})
			return []any{s, list}, err
		}
	case SyncType:
		if k.ID == AllOf {
			return f.use.Definitions.List(ctx, "")
		}
		def, err := f.use.Definitions.Get(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		runs, err := f.use.Syncs.Runs(ctx, k.ID, shownAtOnce)
		if err != nil {
			return nil, err
		}
		open, _, err := f.use.Syncs.Conflicts(ctx, k.ID, "", shownAtOnce)
		return []any{def, runs, open}, err
	case HookType:
		return f.use.Outgoing.Targets(ctx, "")
	}
	return nil, nil // connections: they are this instance's, and no signal within it is lost
}

// maxOwnVersions bounds the entities whose versions are remembered, because clients choose the
// ids. An entity that was forgotten gets a new version.
const maxOwnVersions = 1000

// ownVersions has the present versions of our own entities.
type ownVersions struct {
	mu sync.Mutex
	of map[live.Key]ownVersion

	count int64 // of versions
}

// ownVersion is a version, and the digest of the content that it stands for. The digest is zero
// if a change was announced, and the content has not been read since.
type ownVersion struct {
	version string
	digest  [sha256.Size]byte
}

// changed returns a new version for a change that was announced.
func (o *ownVersions) changed(k live.Key, now time.Time) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.set(k, [sha256.Size]byte{}, now)
}

// compared returns the present version. It is a new one if the content changed, or was not
// read since the last announced change: another change after that may have had no signal.
func (o *ownVersions) compared(k live.Key, digest [sha256.Size]byte, now time.Time) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if v := o.of[k]; v.digest == digest {
		return v.version
	}
	return o.set(k, digest, now)
}

// set stores and returns a new version. The time is part of it, so that no other instance has
// the same version for another state.
func (o *ownVersions) set(k live.Key, digest [sha256.Size]byte, now time.Time) string {
	if o.of == nil {
		o.of = make(map[live.Key]ownVersion)
	}
	if _, known := o.of[k]; !known && len(o.of) >= maxOwnVersions {
		for other := range o.of {
			delete(o.of, other)
			break
		}
	}
	o.count++ // two changes may have the same time
	v := ownVersion{version: strconv.FormatInt(now.UnixNano(), 36) + "." + strconv.FormatInt(o.count, 36), digest: digest}
	o.of[k] = v
	return v.version
}
