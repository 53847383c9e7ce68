package draft

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/etag"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
)

// ErrSourceChanged is the error of a save whose version is not the source's latest any
// more. Nothing was saved, or only a part.
var ErrSourceChanged = errors.New("draft: the source moved on")

// Source is a list of another system.
type Source interface {
	// Fetch returns the rows of the list and a version, which changes with every change
	// of a row.
	Fetch(ctx context.Context) (rows Rows, version string, err error)
	// Save replaces the list by rows if its version is still the given one, and otherwise
	// returns ErrSourceChanged. seen are the rows of that version. named has the ids that
	// the source gave to new rows, by their ids in rows.
	Save(ctx context.Context, rows, seen Rows, version string) (named map[string]string, err error)
}

// Options configure a Service.
type Options struct {
	Docs    store.Docs
	Sources map[string]Source // by the name of the draft
	Now     func() time.Time  // nil: time.Now
	// Changed is called after each commit of a draft. It may be nil.
	Changed func(ctx context.Context, name string)
}

// Service is the use case. All methods may be called concurrently.
type Service struct{ o Options }

// NewService returns the use case.
func NewService(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}
}

// View is a draft as it is sent to callers.
type View struct {
	Name      string    `json:"name"`
	Version   int64     `json:"version"` // of the draft
	Draft               // saved, incoming, draft
	Flags     []Flag    `json:"flags"`
	Edited    bool      `json:"edited"`
	Source    string    `json:"sourceVersion"`
	ChangedBy string    `json:"changedBy,omitempty"`
	Change    string    `json:"change,omitempty"` // edit, accept, keep, save, discard, fetch
	ChangedAt time.Time `json:"changedAt"`

	rev string
}

// ETag returns the ETag of the draft's version.
func (v *View) ETag() string { return etag.Of(v.Version) }

func (v *View) complete() *View {
	v.Flags, v.Edited = v.Draft.Flags(), v.Draft.Edited()
	return v
}

var drafts = store.Collection{Kind: "drafts"}

// maxDraft is the largest size of a draft in bytes. A draft is stored as one document,
// and Firestore allows 1 MiB.
const maxDraft = 900 << 10

func (s *Service) source(name string) (Source, error) {
	src, ok := s.o.Sources[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "no draft %q is configured", name)
	}
	return traced{src, name}, nil
}

func (s *Service) read(ctx context.Context, name string) (*View, error) {
	docs, err := s.o.Docs.Get(ctx, drafts, []string{name})
	if err != nil {
		return nil, err
	}
	if docs[0] == nil {
		return nil, nil
	}
	v := &View{rev: docs[0].Rev}
	if err := Decode(docs[0].Body, v); err != nil {
		return nil, err
	}
	for _, rows := range []Rows{v.Saved, v.Incoming, v.Draft.Draft} {
		for _, r := range rows {
			record.Plain(r)
		}
	}
	return v, nil
}

// Get returns a draft. The first call fetches it from its source and stores it.
func (s *Service) Get(ctx context.Context, name string) (*View, error) {
	src, err := s.source(name)
	if err != nil {
		return nil, err
	}
	v, err := s.read(ctx, name)
	if err != nil || v != nil {
		if err == nil {
			v.complete()
		}
		return v, err
	}
	rows, version, err := src.Fetch(ctx)
	if err != nil {
		return nil, away(err)
	}
	v = &View{Name: name, Version: 1, Draft: New(rows), Source: version, ChangedAt: s.o.Now().UTC(), Change: "fetch"}
	err = s.write(ctx, v)
	if errors.Is(err, store.ErrConflict) {
		return s.Get(ctx, name) // a concurrent call was faster
	}
	return v.complete(), err
}

func (s *Service) write(ctx context.Context, v *View) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxDraft {
		return fault.New(fault.TooLarge, "the draft has %d bytes; at most %d are allowed", len(body), maxDraft)
	}
	revs, err := s.o.Docs.Commit(ctx, []store.Write{{Collection: drafts, Doc: store.Doc{ID: v.Name, Body: body, Rev: v.rev}}})
	if err != nil {
		return err
	}
	v.rev = revs[0]
	return nil
}

// change edits a draft. If the edit changes nothing, the version stays the same.
func (s *Service) change(ctx context.Context, name, by, what string, edit func(Draft) Draft) (*View, error) {
	return s.rewrite(ctx, name, by, what, func(v *View) (bool, error) { return v.edit(edit), nil })
}

// edit applies f and reports whether that changed anything.
func (v *View) edit(f func(Draft) Draft) bool {
	before := v.Draft
	v.Draft = f(before)
	return !sameDraft(v.Draft, before)
}

// rewrite edits the stored draft, and starts again if a concurrent change wins. If edit
// returns false or an error, nothing is stored; rewrite then returns the draft, and the
// error.
func (s *Service) rewrite(ctx context.Context, name, by, what string, edit func(*View) (bool, error)) (*View, error) {
	for {
		v, err := s.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		if changed, err := edit(v); !changed || err != nil {
			return v, err
		}
		v.Version, v.ChangedBy, v.Change, v.ChangedAt = v.Version+1, by, what, s.o.Now().UTC()
		err = s.write(ctx, v)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.o.Changed != nil {
			s.o.Changed(ctx, name)
		}
		return v.complete(), nil
	}
}

const maxName = 200

// Edit sets fields of rows. The last writer of a field wins. Nil removes a field or a
// row.
func (s *Service) Edit(ctx context.Context, name, by string, changes map[string]Row) (*View, error) {
	for id, fields := range changes {
		if id == "" || len(id) > maxName {
			return nil, fault.New(fault.Invalid, "a row's id must have 1 to %d bytes", maxName)
		}
		for f := range fields {
			if f == "" || len(f) > maxName {
				return nil, fault.New(fault.Invalid, "a field's name must have 1 to %d bytes", maxName)
			}
		}
	}
	return s.change(ctx, name, by, "edit", func(d Draft) Draft { return d.Edit(changes) })
}

// Decision names the flags that a person decides about: those of a field, of a row if
// Field is "", or all if Row is "" too.
type Decision struct {
	By, Row, Field string
	// Seen is the source's version that the person saw. "" skips the check.
	Seen string
}

// Accept takes the source's values; see [Draft.Accept]. If the source has changed since
// Decision.Seen, it returns the draft with a Conflict.
func (s *Service) Accept(ctx context.Context, name string, d Decision) (*View, error) {
	return s.decide(ctx, name, "accept", d, func(draft Draft) Draft { return draft.Accept(d.Row, d.Field) })
}

// Keep keeps the draft's values; see [Draft.Keep]. It returns the same Conflict as Accept.
func (s *Service) Keep(ctx context.Context, name string, d Decision) (*View, error) {
	return s.decide(ctx, name, "keep", d, func(draft Draft) Draft { return draft.Keep(d.Row, d.Field) })
}

func (s *Service) decide(ctx context.Context, name, what string, d Decision, edit func(Draft) Draft) (*View, error) {
	return s.rewrite(ctx, name, d.By, what, func(v *View) (bool, error) {
		if d.Seen != "" && d.Seen != v.Source {
			return false, fault.New(fault.Conflict, "the source changed meanwhile: check its current values, and decide again")
		}
		return v.edit(edit), nil
	})
}

// Discard drops all edits.
func (s *Service) Discard(ctx context.Context, name, by string) (*View, error) {
	return s.change(ctx, name, by, "discard", Draft.Discard)
}

// Refresh fetches the source's latest rows into the stored draft, once for all its
// viewers. It returns nil for a draft that nobody has opened yet.
func (s *Service) Refresh(ctx context.Context, name string) (*View, error) {
	src, err := s.source(name)
	if err != nil {
		return nil, err
	}
	v, err := s.read(ctx, name)
	if err != nil || v == nil {
		return nil, err
	}
	return s.fetched(ctx, src, name, "", "fetch", v.Source, func(v *View, rows Rows, version string) bool {
		if v.Source == version && sameRows(v.Incoming, rows) {
			return false
		}
		v.Draft, v.Source = v.Draft.Fetch(rows), version
		return true
	})
}

// Fetch refreshes a draft and returns it. It creates the draft if nobody has opened it
// yet.
func (s *Service) Fetch(ctx context.Context, name string) (*View, error) {
	v, err := s.Refresh(ctx, name)
	if err != nil || v != nil {
		return v, err
	}
	return s.Get(ctx, name)
}

// fetched fetches the source's rows and edits the stored draft with them. known is the
// version of the source that the caller saw in the draft. If a concurrent fetch has
// stored another version meanwhile, our answer may be the older one, so fetched asks the
// source again.
func (s *Service) fetched(ctx context.Context, src Source, name, by, what, known string, edit func(v *View, rows Rows, version string) bool) (*View, error) {
	for {
		rows, version, err := src.Fetch(ctx)
		if err != nil {
			return nil, away(err)
		}
		overtaken := false
		v, err := s.rewrite(ctx, name, by, what, func(v *View) (bool, error) {
			if overtaken = v.Source != known && v.Source != version; overtaken {
				known = v.Source
				return false, nil
			}
			return edit(v, rows, version), nil
		})
		if !overtaken || err != nil {
			return v, err
		}
	}
}

// Save writes the draft to its source. It returns the unchanged draft and a Conflict if
// there are flags to decide about, or if the source changed; the draft then shows these
// changes as flags.
func (s *Service) Save(ctx context.Context, name, by string) (*View, error) {
	src, err := s.source(name)
	if err != nil {
		return nil, err
	}
	if _, err := s.Get(ctx, name); err != nil {
		return nil, err
	}
	v, err := s.Refresh(ctx, name) // a change that nobody has seen must not be overwritten
	if err != nil {
		return nil, err
	}
	if len(v.Flags) > 0 {
		return v, fault.New(fault.Conflict, "%d changes at the source are undecided: accept each, or keep the draft's value, before you save", len(v.Flags))
	}
	if !v.Edited { // both sides are equal: there is nothing to send, and nothing is unseen
		return s.change(ctx, name, by, "save", func(d Draft) Draft {
			if d.Edited() || len(d.Flags()) > 0 {
				return d // changed meanwhile
			}
			return d.Stored()
		})
	}
	sent := v.Draft.Clone()
	named, err := src.Save(ctx, sent.Draft, sent.Incoming, v.Source)
	if errors.Is(err, ErrSourceChanged) {
		now, refreshErr := s.Refresh(ctx, name)
		if refreshErr != nil {
			return nil, refreshErr
		}
		return now, fault.New(fault.Conflict, "the source changed meanwhile: check the differences, and save again")
	}
	if err != nil {
		return nil, away(err)
	}
	return s.fetched(ctx, src, name, by, "save", v.Source, func(v *View, rows Rows, version string) bool {
		// Edits that people made during the save stay edits.
		v.Saved, v.Incoming, v.Source = rename(sent.Draft, named), clone(rows), version
		v.Draft.Draft = rename(v.Draft.Draft, named)
		v.completeNew(sent.Incoming)
		return true
	})
}

// rename gives new rows the ids that their source chose.
func rename(rows Rows, named map[string]string) Rows {
	out := clone(rows)
	for from, to := range named {
		if row, there := out[from]; there {
			delete(out, from)
			out[to] = row
		}
	}
	return out
}

// completeNew adds the fields that the source set in new rows, such as defaults. The
// draft has no values for them, so there is nothing to decide about.
func (v *View) completeNew(seen Rows) {
	for id, row := range v.Saved {
		if _, known := seen[id]; known {
			continue
		}
		ours := v.Draft.Draft[id]
		for f, value := range v.Incoming[id] {
			_, sent := row[f]
			if _, has := ours[f]; ours != nil && !sent && !has {
				row[f], ours[f] = value, value
			}
		}
	}
}

// away returns the error of a source, as Unavailable unless it is a fault already.
func away(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the source does not answer; send the request again")
}
