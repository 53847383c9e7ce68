package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/headgate/headgate/internal/platform/etag"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/source"
)

// Stored is a definition with what the store knows of it.
type Stored struct {
	Sync      Sync      `json:"sync"`
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// LastScheduled is the due time that a run was last started for.
	LastScheduled time.Time `json:"lastScheduled,omitzero"`

	// Replanned is how often a clock that went back had an earlier due time planned.
	Replanned int64 `json:"replanned,omitempty"`

	due int64 // microseconds; 0: not scheduled
	rev string
}

// ETag of the definition's version.
func (d *Stored) ETag() string { return etag.Of(d.Version) }

func (d *Stored) write() store.Write {
	return store.Write{Collection: syncs, Doc: store.Doc{ID: d.Sync.ID, Body: mustJSON(d), Order: d.due, Rev: d.rev}}
}

func parseStored(doc store.Doc) (*Stored, error) {
	d := &Stored{rev: doc.Rev, due: doc.Order}
	if err := json.Unmarshal(doc.Body, d); err != nil {
		return nil, fmt.Errorf("the definition of sync %q: %w", doc.ID, err)
	}
	return d, nil
}

// CreateSync stores a new definition. Invalid with all faults; Conflict if its id is taken.
func (s *Service) CreateSync(ctx context.Context, def *Sync) (*Stored, error) {
	if def.ID == "" {
		def.ID = s.random()
	}
	if faults := s.CheckSync(def); len(faults) > 0 {
		return nil, invalid(faults...)
	}
	now := s.clock()
	d := &Stored{Sync: *def, Version: 1, CreatedAt: now, UpdatedAt: now}
	d.plan(now)
	if _, err := s.docs.Commit(ctx, []store.Write{d.write()}); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return nil, fault.New(fault.Conflict, "there is a sync %q already", def.ID)
		}
		return nil, fault.StoreAway(err)
	}
	s.o.Moved(d.Sync.ID, true)
	return d, nil
}

// CheckSync returns all faults of a definition, as CreateSync or UpdateSync would.
func (s *Service) CheckSync(def *Sync) []source.Fault {
	faults := def.Check(s.kinds)
	for _, f := range s.o.Env.CheckReferences(def.Datasource) {
		faults = append(faults, source.Fault{Path: "datasource." + f.Path, Message: f.Message})
	}
	return faults
}

// plan sets when the sync is due next.
func (d *Stored) plan(after time.Time) {
	d.due = 0
	if next := d.Sync.next(after); !next.IsZero() {
		d.due = next.UnixMicro()
	}
}

// Sync returns a definition. NotFound.
func (s *Service) Sync(ctx context.Context, id string) (*Stored, error) {
	docs, err := s.docs.Get(ctx, syncs, []string{id})
	if err != nil {
		return nil, fault.StoreAway(err)
	}
	if docs[0] == nil {
		return nil, fault.New(fault.NotFound, "no sync %q", id)
	}
	return parseStored(*docs[0])
}

// Syncs returns the definitions of an organisation, or all where org is "", by id.
func (s *Service) Syncs(ctx context.Context, org string) ([]*Stored, error) {
	out := []*Stored{}
	for after := (store.Position{}); ; {
		docs, err := s.docs.List(ctx, store.Listing{Collection: syncs, After: after, Limit: 200})
		if err != nil {
			return nil, fault.StoreAway(err)
		}
		for _, doc := range docs {
			d, err := parseStored(doc)
			if err != nil {
				return nil, err
			}
			if org == "" || d.Sync.OrgID == org {
				out = append(out, d)
			}
			after.ID = doc.ID
		}
		if len(docs) < 200 {
			return out, nil
		}
	}
}

// UpdateSync replaces a definition, of which ifMatch is the ETag if it is not "".
// What the sync remembers of its pulls is kept, unless it now reads from
// somewhere else or another organisation. Credentials that def has as they were
// shown, redacted, stay what they are.
func (s *Service) UpdateSync(ctx context.Context, id string, def *Sync, ifMatch string) (*Stored, error) {
	d, err := s.Sync(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := matches(ifMatch, d.ETag()); err != nil {
		return nil, err
	}
	if def.ID != "" && def.ID != id {
		return nil, invalid(source.Fault{Path: "id", Message: fmt.Sprintf("is %q here, and an id does not change", id)})
	}
	def.ID = id
	if path := def.carriesOver(&d.Sync); path != "" {
		return nil, invalid(source.Fault{Path: path, Message: "is another system: put the credentials for it in place of " + Redacted})
	}
	faults := def.keepSecrets(&d.Sync)
	if faults = append(faults, s.CheckSync(def)...); len(faults) > 0 {
		return nil, invalid(faults...)
	}
	st, err := s.readState(ctx, id)
	if err != nil {
		return nil, fault.StoreAway(err)
	}
	if st.Lease.live(s.now()) {
		return nil, fault.New(fault.Conflict, "run %s is at work: change the sync when it has ended, or cancel it", st.Lease.RunID)
	}
	// What a dead run has of the old definition must not be gone on with.
	writes, err := s.abandon(ctx, id, st, "its process died, and the sync was changed")
	if err != nil {
		return nil, err
	}
	if !sameSource(&d.Sync, def) {
		st.Types, st.FinishedAt = nil, time.Time{}
	} else {
		for _, t := range st.Types {
			t.Digests = ""
		}
	}
	if st.rev != "" {
		writes = append(writes, st.write(id))
	}
	now := s.clock()
	d.Sync, d.Version, d.UpdatedAt = *def, d.Version+1, now
	d.plan(now)
	if _, err := s.docs.Commit(ctx, append(writes, d.write())); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return nil, fault.New(fault.Conflict, "the sync changed at the same time: read it again")
		}
		return nil, fault.StoreAway(err)
	}
	s.o.Moved(id, true)
	return d, nil
}

// abandon ends the run that holds the sync although its process died: nobody is to
// take it over. The lease's token lives on.
func (s *Service) abandon(ctx context.Context, id string, st *state, why string) ([]store.Write, error) {
	if st.Lease == nil || st.Lease.RunID == "" {
		return nil, nil
	}
	run, rev, err := s.readRun(ctx, id, st.Lease.RunID)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, err
	}
	st.Lease.RunID, st.Lease.Owner, st.Lease.Cancel = "", "", false
	if run == nil || run.State.Ended() {
		return nil, nil
	}
	run.Errors = append(run.Errors, why)
	run.end(Failed, s.clock())
	return []store.Write{run.write(rev)}, nil
}

// sameSource is whether cursors of one definition hold for the other.
func sameSource(a, b *Sync) bool {
	return a.OrgID == b.OrgID && a.Datasource.Type == b.Datasource.Type && a.Datasource.URL == b.Datasource.URL &&
		a.Datasource.FileURL == b.Datasource.FileURL && string(mustJSON(a.Mapping)) == string(mustJSON(b.Mapping)) &&
		sameJSON(a.Datasource.Options, b.Datasource.Options)
}

// sameJSON is whether both say the same, in whatever order: a definition that was
// shown and is sent back has its options in another.
func sameJSON(a, b json.RawMessage) bool {
	x, okX := decodeTree(a)
	y, okY := decodeTree(b)
	return okX == okY && reflect.DeepEqual(x, y)
}

// DeleteSync deletes a definition and what the sync remembers. Its records stay.
func (s *Service) DeleteSync(ctx context.Context, id, ifMatch string) error {
	d, err := s.Sync(ctx, id)
	if err != nil {
		return err
	}
	if err := matches(ifMatch, d.ETag()); err != nil {
		return err
	}
	st, err := s.readState(ctx, id)
	if err != nil {
		return fault.StoreAway(err)
	}
	if st.Lease.live(s.now()) {
		return fault.New(fault.Conflict, "run %s is at work: cancel it first", st.Lease.RunID)
	}
	writes := []store.Write{{Collection: syncs, Doc: store.Doc{ID: id, Rev: d.rev}, Delete: true}}
	if st.rev != "" {
		writes = append(writes, store.Write{Collection: states, Doc: store.Doc{ID: id, Rev: st.rev}, Delete: true})
	}
	dead, err := s.abandon(ctx, id, st, "its process died, and the sync was deleted")
	if err != nil {
		return err
	}
	writes = append(writes, dead...)
	if _, err := s.docs.Commit(ctx, writes); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return fault.New(fault.Conflict, "the sync changed at the same time: read it again")
		}
		return fault.StoreAway(err)
	}
	s.o.Moved(id, true)
	return nil
}

// matches checks an If-Match header against an ETag.
func matches(ifMatch, current string) error {
	if etag.Matches(ifMatch, current) {
		return nil
	}
	return fault.New(fault.PreconditionFailed, "If-Match is %s, and the ETag is %s now: read it again", ifMatch, current)
}
