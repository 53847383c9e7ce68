package definition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/etag"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/source"
)

var collection = store.Collection{Kind: "syncs"}

// Runs keeps the state of a sync's runs: the places where they continue, and which of them is
// at work. Redefine and Forget return writes and make none, so that the definition and its
// runs change in one commit.
type Runs interface {
	// Redefine prepares the runs of a sync for another definition. sameSource says
	// that rows are still read from where they were, so that cursors hold.
	// Conflict: a run is at work.
	Redefine(ctx context.Context, syncID string, sameSource bool) ([]store.Write, error)
	// Forget drops what the runs of a sync remember. Conflict: a run is at work.
	Forget(ctx context.Context, syncID string) ([]store.Write, error)
	// Committed tells of what the writes of the others changed, once they are committed.
	Committed(ctx context.Context, writes []store.Write)
}

// Options configure a Service.
type Options struct {
	Docs  store.Docs
	Runs  Runs
	Kinds source.Registry
	// Env says which credentials a definition may refer to.
	Env source.Env
	Now func() time.Time // nil: time.Now
	// Declared are the definitions that the configuration declares, as the function
	// Declared returned them without a fault. Requests cannot change them.
	Declared []*Sync
	// Reads reports that nothing may be written: a declared definition is not stored.
	Reads bool
	// Random returns an id that no other call has returned.
	Random func() string
	// Changed is called after a definition was created, changed or deleted. It must
	// not block. May be nil.
	Changed func(syncID string)
}

// Service keeps definitions. All methods may be called concurrently.
type Service struct {
	o        Options
	docs     store.Docs
	declared map[string]*Sync // of Options.Declared, by id
}

// New returns a service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Changed == nil {
		o.Changed = func(string) {}
	}
	s := &Service{o: o, docs: o.Docs, declared: make(map[string]*Sync)}
	for _, def := range o.Declared {
		s.declared[def.ID] = def
	}
	return s
}

// Stored is a definition and what the store knows about it.
type Stored struct {
	Sync      Sync      `json:"sync"`
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// LastScheduled is the latest due time that a run was started for.
	LastScheduled time.Time `json:"lastScheduled,omitzero"`
	// Replanned counts the due times that were planned anew because a clock had
	// been ahead. See Replan.
	Replanned int64 `json:"replanned,omitempty"`
	// Declared says that a configuration declared the definition when it was last changed.
	Declared bool `json:"declared,omitempty"`

	dueAt int64 // microseconds; 0: not scheduled
	rev   string
}

// ETag returns the ETag of the definition's version.
func (d *Stored) ETag() string { return etag.Of(d.Version) }

func (d *Stored) write() store.Write {
	return store.Write{Collection: collection, Doc: store.Doc{ID: d.Sync.ID, Body: mustJSON(d), Order: d.dueAt, Rev: d.rev}}
}

func parse(doc store.Doc) (*Stored, error) {
	d := &Stored{rev: doc.Rev, dueAt: doc.Order}
	if err := json.Unmarshal(doc.Body, d); err != nil {
		return nil, fmt.Errorf("the definition of sync %q: %w", doc.ID, err)
	}
	return d, nil
}

// Create stores a new definition. Invalid with all faults; Conflict if its id is taken.
func (s *Service) Create(ctx context.Context, def *Sync) (*Stored, error) {
	if def.ID == "" {
		def.ID = s.o.Random()
	}
	if faults := s.Check(def); len(faults) > 0 {
		return nil, invalidSync(faults...)
	}
	if err := s.MayChange(def.ID); err != nil {
		return nil, err
	}
	return s.create(ctx, def, false)
}

func (s *Service) create(ctx context.Context, def *Sync, declared bool) (*Stored, error) {
	now := s.clock()
	d := &Stored{Sync: *def, Version: 1, CreatedAt: now, UpdatedAt: now, Declared: declared}
	d.plan(now)
	if _, err := s.docs.Commit(ctx, []store.Write{d.write()}); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return nil, fault.New(fault.Conflict, "there is a sync %q already", def.ID)
		}
		return nil, err
	}
	s.o.Changed(def.ID)
	return d, nil
}

// Check returns all faults of a definition, as Create or Update would.
func (s *Service) Check(def *Sync) []fault.Detail { return def.CheckIn(s.o.Kinds, s.o.Env) }

// Get returns a definition. NotFound. A declared one exists from the start: a message must
// not find it missing because this process has just begun.
func (s *Service) Get(ctx context.Context, id string) (*Stored, error) {
	d, err := s.stored(ctx, id)
	if def := s.declared[id]; def != nil && !s.o.Reads && fault.CodeOf(err) == fault.NotFound {
		d, _, err = s.declare(ctx, def)
	}
	return d, err
}

func (s *Service) stored(ctx context.Context, id string) (*Stored, error) {
	docs, err := s.docs.Get(ctx, collection, []string{id})
	if err != nil {
		return nil, err
	}
	if docs[0] == nil {
		return nil, fault.New(fault.NotFound, "no sync %q", id)
	}
	return parse(*docs[0])
}

// List returns the definitions of an organisation, or all where org is "", by id.
func (s *Service) List(ctx context.Context, org string) ([]*Stored, error) {
	out := []*Stored{}
	for after := (store.Position{}); ; {
		docs, err := s.docs.List(ctx, store.Listing{Collection: collection, After: after, Limit: 200})
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			d, err := parse(doc)
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

// Update replaces a definition. ifMatch is the If-Match header, or "".
//
// The sync continues where its last pull ended, unless it now reads from somewhere
// else or belongs to another organisation. Credentials that def shows redacted keep
// their values.
//
// Conflict: the configuration declares the sync.
func (s *Service) Update(ctx context.Context, id string, def *Sync, ifMatch string) (*Stored, error) {
	if err := s.MayChange(id); err != nil {
		return nil, err
	}
	d, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := matches(ifMatch, d.ETag()); err != nil {
		return nil, err
	}
	var faults []fault.Detail
	if def.ID != "" && def.ID != id {
		faults = append(faults, fault.Detail{Path: "id", Message: fmt.Sprintf("is %q here, and an id does not change", id)})
	}
	def.ID = id
	faults = append(faults, def.complete(&d.Sync)...)
	if faults = append(faults, s.Check(def)...); len(faults) > 0 {
		return nil, invalidSync(faults...)
	}
	if err := s.replace(ctx, d, def, false); err != nil {
		return nil, err
	}
	return d, nil
}

// Complete checks a definition that is to be tried and not stored. Credentials that it
// shows redacted get the values of the stored sync of its id, under the rules of Update.
// Invalid with all faults.
func (s *Service) Complete(ctx context.Context, def *Sync) error {
	old := new(Sync)
	if def.ID != "" && config.PlainID(def.ID) {
		switch d, err := s.Get(ctx, def.ID); {
		case err == nil:
			old = &d.Sync
		case fault.CodeOf(err) != fault.NotFound:
			return err
		}
	}
	faults := def.complete(old)
	if faults = append(faults, s.Check(def)...); len(faults) > 0 {
		return invalidSync(faults...)
	}
	return nil
}

// replace stores another definition in the place of d, which becomes the stored one.
func (s *Service) replace(ctx context.Context, d *Stored, def *Sync, declared bool) error {
	var writes []store.Write
	var err error
	if !same(&d.Sync, def) || !declared { // to be declared changes nothing for the runs
		if writes, err = s.o.Runs.Redefine(ctx, def.ID, sameSource(&d.Sync, def)); err != nil {
			return err
		}
	}
	now := s.clock()
	d.Sync, d.Version, d.UpdatedAt, d.Declared = *def, d.Version+1, now, declared
	d.plan(now)
	if err := s.commit(ctx, append(writes, d.write())); err != nil {
		return err
	}
	s.o.Runs.Committed(ctx, writes)
	s.o.Changed(def.ID)
	return nil
}

// Delete deletes a definition and what the sync remembers. Its records stay. Conflict: the
// configuration declares the sync.
func (s *Service) Delete(ctx context.Context, id, ifMatch string) error {
	if err := s.MayChange(id); err != nil {
		return err
	}
	d, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := matches(ifMatch, d.ETag()); err != nil {
		return err
	}
	writes, err := s.o.Runs.Forget(ctx, id)
	if err != nil {
		return err
	}
	gone := store.Write{Collection: collection, Doc: store.Doc{ID: id, Rev: d.rev}, Delete: true}
	if err := s.commit(ctx, append(writes, gone)); err != nil {
		return err
	}
	s.o.Runs.Committed(ctx, writes)
	s.o.Changed(id)
	return nil
}

func (s *Service) commit(ctx context.Context, writes []store.Write) error {
	_, err := s.docs.Commit(ctx, writes)
	if errors.Is(err, store.ErrConflict) {
		return fault.New(fault.Conflict, "the sync changed at the same time: read it again")
	}
	return err
}

// sameSource reports whether cursors of one definition hold for the other.
func sameSource(a, b *Sync) bool {
	return a.OrgID == b.OrgID && a.Datasource.Type == b.Datasource.Type && a.Datasource.URL == b.Datasource.URL &&
		a.Datasource.FileURL == b.Datasource.FileURL && string(mustJSON(a.Mapping)) == string(mustJSON(b.Mapping)) &&
		sameJSON(a.Datasource.Options, b.Datasource.Options)
}

// sameJSON ignores the order of members: a definition that was shown and is sent
// back has its options in another order.
func sameJSON(a, b json.RawMessage) bool {
	x, okX := decodeTree(a)
	y, okY := decodeTree(b)
	return okX == okY && reflect.DeepEqual(x, y)
}

// matches checks an If-Match header against an ETag.
func matches(ifMatch, current string) error {
	if etag.Matches(ifMatch, current) {
		return nil
	}
	return fault.New(fault.PreconditionFailed, "If-Match is %s, and the ETag is %s now: read it again", ifMatch, current)
}

// clock returns the time at the store's precision.
func (s *Service) clock() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

// mustJSON encodes our own types, which always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("definition: encode %T: %v", v, err))
	}
	return b
}
