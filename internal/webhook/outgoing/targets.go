package outgoing

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// targets reads targets from the store.
type targets struct {
	docs store.Docs
	log  *slog.Logger
}

var registered = store.Collection{Kind: "webhooks"}

const (
	targetPage = 200
	// duePage is the most targets that one search for due targets reads.
	duePage = 100
)

// parse returns the target, or logs why it cannot be read and returns nil. One damaged
// document must not stop the deliveries to the others.
func (s targets) parse(d store.Doc) *Target {
	t, err := parseTarget(d)
	if err != nil {
		s.log.Error("a registered webhook cannot be read and gets no deliveries", "document", d.ID, "error", err)
		return nil
	}
	return t
}

// read returns a target, or nil if it is not there.
func (s targets) read(ctx context.Context, docID string) (*Target, error) {
	docs, err := s.docs.Get(ctx, registered, []string{docID})
	if err != nil || docs[0] == nil {
		return nil, err
	}
	t, err := parseTarget(*docs[0])
	if err != nil {
		return nil, err
	}
	return t, nil
}

// each calls do with every target whose document's id begins with the prefix.
func (s targets) each(ctx context.Context, prefix string, do func(*Target) error) error {
	for after := prefix; ; {
		docs, err := s.docs.List(ctx, store.Listing{Collection: registered, After: store.Position{ID: after}, Limit: targetPage})
		if err != nil {
			return err
		}
		for _, d := range docs {
			after = d.ID
			if !strings.HasPrefix(d.ID, prefix) {
				return nil
			}
			if t := s.parse(d); t == nil {
				continue
			} else if err := do(t); err != nil {
				return err
			}
		}
		if len(docs) < targetPage {
			return nil
		}
	}
}

// find returns the target with an id.
func (s targets) find(ctx context.Context, id string) (found *Target, err error) {
	err = s.each(ctx, "", func(t *Target) error {
		if t.ID == id {
			found = t
		}
		return nil
	})
	if err == nil && found == nil {
		err = fault.New(fault.NotFound, "no webhook %q is registered", id)
	}
	return found, err
}

// due returns targets to call now, the one that has been due longest first. The store
// orders them by the time at which they are due. After a clock was ahead, or was set back,
// some targets have a time that is too far away to be true. These are due as well, and are
// found at the other end of the order.
func (s targets) due(ctx context.Context, now time.Time) (due []*Target, err error) {
	docs, err := s.docs.List(ctx, store.Listing{Collection: registered, ByOrder: true, Limit: duePage})
	// If the whole page is due, that is enough for now.
	if err == nil && len(docs) == duePage && docs[duePage-1].Order > now.UnixMicro() {
		var far []store.Doc
		far, err = s.docs.List(ctx, store.Listing{Collection: registered, ByOrder: true, Descending: true, Limit: duePage})
		last := docs[duePage-1]
		for _, d := range far {
			if d.Order > last.Order || d.Order == last.Order && d.ID > last.ID {
				docs = append(docs, d)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		if t := s.parse(d); t != nil && t.due(now) {
			due = append(due, t)
		}
	}
	return due, nil
}

// Targets returns the targets of a list, or all targets if it is "". It leaves out
// secrets, including those in URLs.
func (s *Service) Targets(ctx context.Context, listID string) ([]*Target, error) {
	prefix := ""
	if listID != "" {
		prefix = targetPrefix(listID)
	}
	out := []*Target{}
	err := s.targets.each(ctx, prefix, func(t *Target) error {
		t.hideSecrets()
		t.URL = credential.RedactURL(t.URL)
		out = append(out, t)
		return nil
	})
	return out, err
}
