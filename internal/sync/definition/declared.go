package definition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Declared reads the definitions that a configuration declares. The faults are those of
// the texts and those that check finds in what could be read; their paths are those of the
// configuration. Nothing was stored that a redaction mark could stand for, so a mark is a
// fault as well.
func Declared(texts []json.RawMessage, check func(*Sync) []fault.Detail) ([]*Sync, []fault.Detail) {
	var all []*Sync
	var faults []fault.Detail
	for i, text := range texts {
		def, f := read(text)
		for _, one := range append(check(def), def.unfilled()...) {
			f.Add(one.Path, "%s", one.Message)
		}
		for _, one := range f.Details() {
			path := decode.Index("$.syncs", i)
			if one.Path != "" && !strings.HasPrefix(one.Path, "[") {
				path += "."
			}
			faults = append(faults, fault.Detail{Path: path + one.Path, Message: one.Message})
		}
		all = append(all, def)
	}
	return all, faults
}

// unfilled returns a fault for each redaction mark in the definition.
func (s *Sync) unfilled() (faults []fault.Detail) {
	d := &s.Datasource
	look := func(path string, value any) {
		if text, isText := value.(string); isText && hides(text) {
			faults = append(faults, unfilled(path))
		}
	}
	look("url", d.URL)
	look("fileUrl", d.FileURL)
	look("auth", d.Auth)
	for i, f := range d.ExtraFields {
		look(fmt.Sprintf("extraFields[%d].value", i), f.Value)
	}
	walk(d.Options, nil, func(path []string, now, _ any) any {
		look("options."+strings.Join(path, "."), now)
		return now
	})
	return faults
}

// Owner says who may change a stored definition.
type Owner string

// The owners.
const (
	ByRequest Owner = ""        // requests create, change and delete it
	ByConfig  Owner = "config"  // the configuration declares it; requests are refused
	Abandoned Owner = "dropped" // the configuration declared it and does so no longer
)

// Owner returns who may change the definition.
func (s *Service) Owner(d *Stored) Owner {
	switch {
	case s.declared[d.Sync.ID] != nil:
		return ByConfig
	case d.Declared:
		return Abandoned
	}
	return ByRequest
}

// MayChange returns an error if requests must not change the definition of the sync,
// because the configuration declares it.
func (s *Service) MayChange(id string) error {
	if s.declared[id] == nil {
		return nil
	}
	return fault.New(fault.Conflict, "%s", DeclaredMessage(id))
}

// DeclaredMessage says why a request cannot change the definition of a sync.
func DeclaredMessage(id string) string {
	return fmt.Sprintf(`the configuration declares the sync %q (in "syncs"): change it there and start the process again`, id)
}

// AbandonedMessage says what to do about a sync that the configuration declares no longer.
func AbandonedMessage(id string) string {
	return fmt.Sprintf(`the configuration declared the sync %q (in "syncs") and does so no longer, so it goes on as it was: delete it, change it by a request, or declare it again`, id)
}

// Outcome names a definition that Declare stored.
type Outcome struct {
	ID string
	// TakenOver reports that the definition replaced one that a request had made.
	TakenOver bool
}

// Declare stores the definitions that the configuration declares, where what is stored
// differs. It deletes nothing. It returns what it changed, and the ids of stored
// definitions that were declared once and are no longer. An error is about some of the
// definitions, such as one whose run is at work; the others are stored. Calling it again
// is harmless.
func (s *Service) Declare(ctx context.Context) (changed []Outcome, abandoned []string, err error) {
	var errs []error
	for _, def := range s.o.Declared {
		_, outcome, err := s.declare(ctx, def)
		if err != nil {
			errs = append(errs, fmt.Errorf("sync %q: %w", def.ID, err))
		} else if outcome != nil {
			changed = append(changed, *outcome)
		}
	}
	all, err := s.List(ctx, "")
	for _, d := range all {
		if s.Owner(d) == Abandoned {
			abandoned = append(abandoned, d.Sync.ID)
		}
	}
	return changed, abandoned, errors.Join(append(errs, err)...)
}

// declareAttempts bounds the attempts to store a definition that another instance stores at the
// same time.
const declareAttempts = 3

// declare stores one declared definition. The outcome is nil if it was stored already.
func (s *Service) declare(ctx context.Context, def *Sync) (d *Stored, outcome *Outcome, err error) {
	for range declareAttempts {
		d, err = s.stored(ctx, def.ID)
		switch {
		case fault.CodeOf(err) == fault.NotFound:
			d, err = s.create(ctx, def, true)
			outcome = &Outcome{ID: def.ID}
		case err != nil || d.Declared && same(&d.Sync, def):
			return d, nil, err
		default:
			outcome = &Outcome{ID: def.ID, TakenOver: !d.Declared}
			err = s.replace(ctx, d, def, true)
		}
		if fault.CodeOf(err) != fault.Conflict {
			break
		}
	}
	return d, outcome, err
}

// same reports whether both definitions say the same.
func same(a, b *Sync) bool { return sameJSON(mustJSON(a), mustJSON(b)) }
