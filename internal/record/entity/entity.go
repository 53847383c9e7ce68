// Package entity serves the records of organisations to people and programs. Writes use
// optimistic concurrency by version.
//
// Syncs push the records that are written here. Every write puts the record into the order
// in which pushes read, and keeps for each sync the values that it last agreed on with its
// source. A write
// that loses to a concurrent one is repeated on the new version, unless the caller's
// If-Match forbids that.
package entity

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/etag"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// Options configure a Service.
type Options struct {
	Docs store.Docs
	Now  func() time.Time // nil: time.Now
	// Changed is called after each commit of a record. It may be nil.
	Changed func(ctx context.Context, org, recordType string, ids []string)
	// Outbox takes the changes to which others subscribe. nil: nobody does.
	Outbox *occurrence.Outbox
}

// Service is the use case. All methods may be called concurrently.
type Service struct {
	docs    store.Docs
	now     func() time.Time
	changed func(ctx context.Context, org, recordType string, ids []string)
	outbox  *occurrence.Outbox
}

// New returns a service.
func New(o Options) *Service {
	s := &Service{docs: o.Docs, now: o.Now, changed: o.Changed, outbox: o.Outbox}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Entity is a record as it is sent to callers.
type Entity struct {
	ID          string            `json:"id"`
	Version     int64             `json:"version"`
	UpdatedAt   time.Time         `json:"updatedAt"`
	Deleted     bool              `json:"deleted,omitempty"`
	Data        json.RawMessage   `json:"data,omitempty"`
	ExternalIDs map[string]string `json:"externalIds,omitempty"`
}

// ETag returns the ETag of the entity's version.
func (e *Entity) ETag() string { return etag.Of(e.Version) }

// Of returns the record as people see it: a deleted one has no data.
func Of(r *record.Record) *Entity {
	e := &Entity{ID: r.ID, Version: r.Version, UpdatedAt: r.UpdatedAt, Deleted: r.Deleted, ExternalIDs: r.ExternalIDs}
	if !r.Deleted {
		e.Data = r.Data
	}
	return e
}

const (
	maxName = 256
	maxID   = 1000

	anyID = "*" // to live clients, all records of a type
)

func check(org, recordType, id string) error {
	switch {
	case org == "" || len(org) > maxName:
		return fault.New(fault.Invalid, "the organisation must have 1 to %d bytes", maxName)
	case recordType == "" || len(recordType) > maxName:
		return fault.New(fault.Invalid, "the type must have 1 to %d bytes", maxName)
	case id == "" || len(id) > maxID:
		return fault.New(fault.Invalid, "the id must have 1 to %d bytes", maxID)
	}
	return nil
}

// Get returns a record. It returns NotFound if the record never existed, and Gone if it
// was deleted.
func (s *Service) Get(ctx context.Context, org, recordType, id string) (*Entity, error) {
	r, _, err := s.read(ctx, org, recordType, id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, fault.New(fault.NotFound, "no %s %q in organisation %q", recordType, id, org)
	}
	if r.Deleted {
		return nil, fault.New(fault.Gone, "%s %q was deleted", recordType, id)
	}
	return Of(r), nil
}

func (s *Service) read(ctx context.Context, org, recordType, id string) (*record.Record, *store.Doc, error) {
	if err := check(org, recordType, id); err != nil {
		return nil, nil, err
	}
	docs, err := s.docs.Get(ctx, store.RecordsOf(org, recordType), []string{id})
	if err != nil {
		return nil, nil, err
	}
	if docs[0] == nil {
		return nil, nil, nil
	}
	r, err := record.Parse(id, docs[0].Body)
	return r, docs[0], err
}

// List returns records in the order of their ids, starting after the given id: at most
// limit, and fewer if they are large. next is the value of after for the next page; "" if
// there is none. A record that exists during the whole listing is listed exactly once.
// Deleted records are listed only if withDeleted is set.
func (s *Service) List(ctx context.Context, org, recordType, after string, limit int, withDeleted bool) (list []*Entity, next string, err error) {
	if err := check(org, recordType, "x"); err != nil {
		return nil, "", err
	}
	page := store.Paged[*Entity]{Limit: limit, Items: []*Entity{}}
	for {
		l := store.Listing{
			Collection: store.RecordsOf(org, recordType), After: store.Position{ID: after}, Limit: limit + 1, Bytes: store.PageBytes,
		}
		docs, err := s.docs.List(ctx, l)
		if err != nil {
			return nil, "", err
		}
		for _, d := range docs {
			r, err := record.Parse(d.ID, d.Body)
			if err != nil {
				return nil, "", err
			}
			if (!r.Deleted || withDeleted) && !page.Add(Of(r), len(d.Body)) {
				return page.Items, after, nil
			}
			after = d.ID
		}
		if l.Over(docs) {
			return page.Items, "", nil
		}
	}
}

// Any reports whether there is, or was, a record of the type.
func (s *Service) Any(ctx context.Context, org, recordType string) (bool, error) {
	if check(org, recordType, "x") != nil {
		return false, nil // no record can be of such a type
	}
	docs, err := s.docs.List(ctx, store.Listing{Collection: store.RecordsOf(org, recordType), Limit: 1})
	return len(docs) > 0, err
}

// Put replaces a record's data, or creates the record. ifMatch is the header If-Match: a
// list of ETags of which the record must have one, * for any, or "". With ifNone the
// record must not exist.
func (s *Service) Put(ctx context.Context, org, recordType, id string, data map[string]any, ifMatch string, ifNone bool) (e *Entity, created bool, err error) {
	return s.write(ctx, org, recordType, id, ifMatch, ifNone, func(map[string]any) map[string]any { return data })
}

// Patch merges a JSON Merge Patch (RFC 7396) into a record's data. It returns NotFound if
// there is no such record.
func (s *Service) Patch(ctx context.Context, org, recordType, id string, patch map[string]any, ifMatch string) (*Entity, error) {
	e, _, err := s.write(ctx, org, recordType, id, ifMatch, false, func(data map[string]any) map[string]any {
		if data == nil {
			return nil
		}
		return record.MergePatch(data, patch)
	})
	return e, err
}

// write edits a record, and starts again if a concurrent writer wins. edit gets nil if
// the record does not exist; write then returns NotFound if edit returns nil too.
func (s *Service) write(ctx context.Context, org, recordType, id, ifMatch string, ifNone bool, edit func(map[string]any) map[string]any) (*Entity, bool, error) {
	for {
		r, doc, err := s.read(ctx, org, recordType, id)
		if err != nil {
			return nil, false, err
		}
		exists := r != nil && !r.Deleted
		if err := precondition(r, exists, ifMatch, ifNone); err != nil {
			return nil, false, err
		}
		var before map[string]any
		if exists {
			if before, err = record.Decode(r.Data); err != nil {
				return nil, false, err
			}
		}
		after := edit(before)
		if after == nil {
			return nil, false, fault.New(fault.NotFound, "no %s %q in organisation %q", recordType, id, org)
		}
		if !exists && id == anyID {
			return nil, false, fault.New(fault.Invalid, "no record can have the id %q: it stands for all records of a type where clients subscribe", id)
		}
		data, err := record.Canonical(after)
		if err != nil {
			return nil, false, fault.New(fault.Invalid, "the data: %s", err)
		}
		if exists && string(data) == string(r.Data) {
			return Of(r), false, nil
		}
		if r == nil {
			r = &record.Record{ID: id}
		}
		r.Edit(data, s.clock())
		if err = s.commit(ctx, org, recordType, r, doc); err == nil {
			return Of(r), !exists, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, false, err
		}
	}
}

// Delete turns a record into a tombstone, so that pushes can delete it at the sources.
func (s *Service) Delete(ctx context.Context, org, recordType, id, ifMatch string) error {
	for {
		r, doc, err := s.read(ctx, org, recordType, id)
		if err != nil {
			return err
		}
		if r == nil || r.Deleted {
			return fault.New(fault.NotFound, "no %s %q in organisation %q", recordType, id, org)
		}
		if err := precondition(r, true, ifMatch, false); err != nil {
			return err
		}
		r.Delete(s.clock())
		err = s.commit(ctx, org, recordType, r, doc)
		if err == nil || !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func precondition(r *record.Record, exists bool, ifMatch string, ifNone bool) error {
	switch {
	case ifNone && exists:
		return fault.New(fault.PreconditionFailed, "If-None-Match is *, and the record exists")
	case !exists && !etag.Matches(ifMatch, ""):
		return fault.New(fault.PreconditionFailed, "If-Match is %s, and there is no such record", ifMatch)
	case exists && !etag.Matches(ifMatch, etag.Of(r.Version)):
		return fault.New(fault.PreconditionFailed, "If-Match is %s, and the ETag is %s now: read it again", ifMatch, etag.Of(r.Version))
	}
	return nil
}

func (s *Service) commit(ctx context.Context, org, recordType string, r *record.Record, was *store.Doc) error {
	d := store.Doc{ID: r.ID, Body: r.AppendJSON(nil), Order: r.UpdatedAt.UnixMicro()}
	if was != nil {
		d.Rev = was.Rev
	}
	if most := s.docs.Limits().MaxDocBytes; len(d.Body) > most {
		return fault.New(fault.TooLarge, "the record has %d bytes, including the copies that syncs keep; at most %d are allowed", len(d.Body), most)
	}
	told := s.outbox.RecordWrites(ctx, org, recordType, []occurrence.Changed{{ID: r.ID, Version: r.Version, Deleted: r.Deleted}}, r.UpdatedAt)
	if _, err := s.docs.Commit(ctx, append(told, store.Write{Collection: store.RecordsOf(org, recordType), Doc: d})); err != nil {
		return err
	}
	s.outbox.Committed(told)
	if s.changed != nil {
		s.changed(ctx, org, recordType, []string{r.ID})
	}
	return nil
}

// clock returns the time with the resolution of the store.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }
