package audit

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/store"
)

const (
	// readAtOnce and readAtMost bound what a page reads to find its entries. A store has no
	// index of who did what: entries are few, and lists are read by people.
	readAtOnce = 200
	readAtMost = 5000
)

// Filter says which entries to list. A zero field asks for nothing.
type Filter struct {
	Since, Until time.Time // begun at Since or later, and before Until
	Who          string    // in any letter case
	Action       string
	Object       string // this path, or one below it
}

func (f Filter) takes(e *Entry) bool {
	return (f.Who == "" || strings.EqualFold(e.Who, f.Who)) && (f.Action == "" || e.Action == f.Action) &&
		(f.Object == "" || e.Object == f.Object || strings.HasPrefix(e.Object, strings.TrimSuffix(f.Object, "/")+"/"))
}

// List returns entries, newest first, that follow the position at (zero: the newest). next
// is the position that the next page follows; zero: there is none. A page may have fewer
// entries than limit, or none, and a next page all the same.
func (s *Service) List(ctx context.Context, f Filter, at store.Position, limit int) (entries []Entry, next store.Position, err error) {
	if until := f.Until.UnixMicro(); !f.Until.IsZero() && (at.Order == 0 || at.Order > until) {
		at = store.Position{Order: until} // no id comes before this one
	}
	page := store.Paged[Entry]{Limit: limit, Items: []Entry{}}
	for read := 0; read < readAtMost; read += readAtOnce {
		docs, err := s.o.Docs.List(ctx, store.Listing{Collection: collection, ByOrder: true, Descending: true, After: at, Limit: readAtOnce})
		if err != nil {
			return nil, store.Position{}, store.CodedError(err)
		}
		for _, d := range docs {
			if time.UnixMicro(d.Order).Before(f.Since) {
				return page.Items, store.Position{}, nil
			}
			var e Entry
			if err := json.Unmarshal(d.Body, &e); err != nil { // one damaged entry must not hide the others
				s.o.Log.ErrorContext(ctx, "an entry of the audit cannot be read", "auditId", d.ID, "error", err)
			} else if f.takes(&e) && !page.Add(e, len(d.Body)) {
				return page.Items, at, nil
			}
			at = store.Position{Order: d.Order, ID: d.ID}
		}
		if len(docs) < readAtOnce {
			return page.Items, store.Position{}, nil
		}
	}
	return page.Items, at, nil
}
