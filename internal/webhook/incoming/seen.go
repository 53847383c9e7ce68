package incoming

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// seenFor is the time for which the id of a webhook is remembered. Senders retry for three days at
// most.
const seenFor = 4 * 24 * time.Hour

// sourceHook is the name under which the ids of the source's own webhooks are remembered.
const sourceHook = "lists"

// memory keeps the ids of the webhooks that were accepted.
type memory struct {
	docs store.Docs
	now  func() time.Time
}

func seen(hook string) store.Collection { return store.Collection{Kind: "seen", Scope: hook} }

func (m memory) write(hook, id string) store.Write {
	return store.Write{Collection: seen(hook), Doc: store.Doc{ID: id, Body: []byte(`{}`), ExpireAt: m.now().Add(seenFor)}}
}

// find reports whether the webhook was accepted before, and returns the revision of its
// document. An expired document may still be stored: it has a revision, but the webhook
// counts as new.
func (m memory) find(ctx context.Context, hook, id string) (rev string, known bool, err error) {
	if id == "" {
		return "", false, nil
	}
	docs, err := m.docs.Get(ctx, seen(hook), []string{id})
	if err != nil || docs[0] == nil {
		return "", false, err
	}
	return docs[0].Rev, !docs[0].ExpireAt.Before(m.now()), nil
}

// Used reports whether a webhook with an id came to the hook in the last few days.
func (s *Service) Used(ctx context.Context, hook string) (bool, error) {
	n, err := s.seen.docs.CountDocs(ctx, seen(hook), 1)
	return n > 0, err
}

// Once calls do unless the webhook was accepted before, and remembers the webhook if do
// succeeds. do reports whether it has committed seen together with its effects; Once commits
// it otherwise. After a crash before that commit, the sender's retry calls do again, so what
// do does before must be harmless to repeat. A webhook without an id is never a duplicate:
// its seen is empty.
func (s *Service) Once(ctx context.Context, hook, id string, do func(seen []store.Write) (committed bool, err error)) (duplicate bool, err error) {
	for {
		var seen []store.Write
		if id != "" {
			rev, known, err := s.seen.find(ctx, hook, id)
			if err != nil || known {
				return known, err
			}
			w := s.seen.write(hook, id)
			w.Doc.Rev = rev
			seen = []store.Write{w}
		}
		committed, err := do(seen)
		if err == nil && !committed && id != "" {
			_, err = s.seen.docs.Commit(ctx, seen)
		}
		if !errors.Is(err, store.ErrConflict) {
			return false, err
		} // another delivery of the webhook was faster
	}
}
