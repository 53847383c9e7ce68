package run

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
)

// linked remembers to which rows the records of a sync are linked. Links outlive the
// definition: a definition that uses its id again for another source would take the records
// for rows of the new one, and delete or overwrite there. Another key would make a second
// record of each row.
type linked struct {
	OrgID string              `json:"orgId"`
	Place string              `json:"place"` // of the source
	Keys  map[string][]string `json:"keys"`  // the key's columns, by datatype
	// Deleted reports that the definition was deleted.
	Deleted bool `json:"deleted,omitempty"`
	// Next holds the new place and keys while Relink changes the links; nil at other times.
	Next *linked `json:"next,omitempty"`
	rev  string
}

var linkedRows = store.Collection{Kind: "state", Scope: "linked"}

func (l *linked) write(id string) store.Write {
	return store.Write{Collection: linkedRows, Doc: store.Doc{ID: id, Body: mustJSON(l), Rev: l.rev}}
}

// readLinked returns nil if no run of the sync has begun.
func readLinked(ctx context.Context, docs store.Docs, id string) (*linked, error) {
	found, err := docs.Get(ctx, linkedRows, []string{id})
	if err != nil || found[0] == nil {
		return nil, err
	}
	l := &linked{rev: found[0].Rev}
	if err := json.Unmarshal(found[0].Body, l); err != nil {
		return nil, fmt.Errorf("the links of sync %q: %w", id, err)
	}
	return l, nil
}

// placeOf names where the source's rows are, without credentials.
func placeOf(def *definition.Sync) string {
	d := def.Datasource
	place := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			return ""
		}
		return u.Scheme + "://" + u.Host + u.Opaque + u.Path
	}
	return d.Type + " " + place(d.URL) + " " + place(d.FileURL)
}

// linksOf returns what the definition means and what the records are linked to, which is
// nil before the first run.
func (s *Service) linksOf(ctx context.Context, def *definition.Sync) (now, was *linked, err error) {
	now = &linked{OrgID: def.OrgID, Place: placeOf(def), Keys: map[string][]string{}}
	for _, t := range def.Datatypes(s.kinds) {
		m, err := def.Mapper(s.kinds, t)
		if err != nil {
			return nil, nil, err
		}
		now.Keys[t] = m.Spec().Key
	}
	if was, err = readLinked(ctx, s.docs, def.ID); err != nil || was == nil {
		return now, nil, err
	}
	for t, key := range was.Keys {
		if now.Keys[t] == nil && was.OrgID == now.OrgID {
			now.Keys[t] = key // selected no more; its records stay linked
		}
	}
	return now, was, nil
}

// relinked returns the writes that note what the sync's records are linked to. It refuses a
// definition whose rows are other ones, as long as there are records.
func (s *Service) relinked(ctx context.Context, def *definition.Sync) ([]store.Write, error) {
	now, was, err := s.linksOf(ctx, def)
	if err != nil {
		return nil, err
	}
	if was == nil {
		return []store.Write{now.write(def.ID)}, nil
	}
	if was.Next != nil {
		return nil, errHalfLinked(def.ID)
	}
	now.rev = was.rev
	if was.OrgID == now.OrgID {
		for t, key := range was.Keys {
			why := ""
			switch {
			case !slices.Equal(key, now.Keys[t]):
				why = fmt.Sprintf("the rows of %s had the key %q until now, and %q would make a second record of each: keep the key, relink the sync, or give it a new id if these are to be new records", t, key, now.Keys[t])
			case was.Deleted && was.Place != now.Place:
				why = fmt.Sprintf("the records of %s are linked to the rows of another source, whose sync had the id %q: give this one a new id, or relink it if these are the same rows", t, def.ID)
			default:
				continue
			}
			n, err := s.docs.CountDocs(ctx, store.RecordsOf(def.OrgID, t), 1)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				return nil, fault.New(fault.Conflict, "%s", why)
			}
		}
	}
	if string(mustJSON(was)) == string(mustJSON(now)) {
		return nil, nil
	}
	return []store.Write{now.write(def.ID)}, nil
}
