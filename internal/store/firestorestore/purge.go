package firestorestore

//lint:file-ignore SA1019 WriteBatch: see newBatch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// purgeOwners is the number of services, and of scopes, whose collections one purge reads.
	// The next purge goes on from there. Each read is billed, even if nothing has expired.
	purgeOwners = 10
	// purgeEvery is the pause after a purge that reached the end and deleted nothing.
	purgeEvery = 10 * time.Minute
)

// purger remembers where the purge of a process goes on.
type purger struct {
	mu     sync.Mutex
	every  time.Duration
	owners int               // on a page
	next   map[string]string // by collection of owners: the token of the page to read next
	idle   time.Time         // when a purge last reached the end and deleted nothing
	policy map[string]bool   // by name of collections: a TTL policy deletes, because Firestore refused the query
}

// Purge implements [store.Store] for a database without TTL policies. A call deletes what has
// expired in a few services and scopes. The next call goes on with the ones that follow.
//
// Where docs/deploy.md's commands took the index of expireAt away, Firestore refuses the query.
// From then on Purge makes none there, and leaves these collections to their TTL policy.
func (s *Store) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	p := &s.purger
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.wall().Sub(p.idle) < p.every {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	total := 0
	for _, in := range [][]string{{colServices, colEvents, colMessages}, {colScopes, colDocs}} {
		n, err := s.purgeNext(ctx, in[0], in[1:], now, limit-total)
		if total += n; err != nil {
			return total, failed("purge", err)
		}
	}
	if total == 0 && p.next[colServices] == "" && p.next[colScopes] == "" {
		p.idle = s.wall()
	}
	return total, nil
}

// purgeNext purges the named collections of the next owners. If it reaches the limit, the next
// call begins with the same owners.
func (s *Store) purgeNext(ctx context.Context, owners string, names []string, now time.Time, limit int) (n int, err error) {
	if limit <= 0 || !slices.ContainsFunc(names, func(name string) bool { return !s.purger.policy[name] }) {
		return 0, nil
	}
	page := s.purger.next[owners]
	refs, err := s.owners(ctx, owners, page)
	if err != nil {
		return 0, err
	}
	for _, owner := range refs {
		for _, name := range names {
			if s.purger.policy[name] {
				continue
			}
			col := owner.Collection(name)
			gone, err := s.purgeCollection(ctx, col, now, limit-n)
			if n += gone; status.Code(err) == codes.FailedPrecondition {
				s.purger.policy[name] = true
			} else if err != nil {
				return n, err
			}
			if n >= limit {
				s.purger.next[owners] = page // there may be more
				return n, nil
			}
		}
	}
	return n, nil
}

// owners returns the page of owners with that token, and notes the token of the next page. An
// owner is a service or a scope; its document itself need not exist.
func (s *Store) owners(ctx context.Context, collection, page string) (refs []*firestore.DocumentRef, err error) {
	it := s.client.Collection(collection).DocumentRefs(ctx)
	info := it.PageInfo()
	info.MaxSize, info.Token = s.purger.owners, page
	for range s.purger.owners {
		ref, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	s.purger.next[collection] = info.Token
	return refs, nil
}

// purgeCollection deletes at most limit expired documents of a collection, the longest expired
// first, with their parts.
func (s *Store) purgeCollection(ctx context.Context, col *firestore.CollectionRef, now time.Time, limit int) (n int, err error) {
	for n < limit {
		page := min(limit-n, discardChunk)
		docs, err := expired(col.ID).on(col).Where("expireAt", "<=", now).Select("data.parts").Limit(page).Documents(ctx).GetAll()
		if err != nil {
			return n, err
		}
		for group := range slices.Chunk(docs, 20) {
			gone, err := s.purgeGroup(ctx, group)
			if n += gone; err != nil {
				return n, err
			}
		}
		if len(docs) < page {
			break
		}
	}
	return n, nil
}

// purgeGroup deletes documents in one commit, on the condition that none has changed since it
// was read: its id may be in use again. If one changed, each is deleted in a commit of its own.
func (s *Store) purgeGroup(ctx context.Context, docs []*firestore.DocumentSnapshot) (int, error) {
	b := s.newBatch()
	for _, d := range docs {
		var doc struct {
			Data struct {
				Parts int `firestore:"parts"`
			} `firestore:"data"`
		}
		if err := d.DataTo(&doc); err != nil {
			return 0, err
		}
		b.Delete(d.Ref, firestore.LastUpdateTime(d.UpdateTime))
		for i := range doc.Data.Parts {
			b.Delete(partOf(d.Ref, i))
		}
	}
	_, err := b.Commit(ctx)
	s.wrote(err)
	switch {
	case err == nil:
		return len(docs), nil
	case !refused(err):
		return 0, err
	case len(docs) == 1:
		return 0, nil
	}
	n := 0
	for i := range docs {
		gone, err := s.purgeGroup(ctx, docs[i:i+1])
		if n += gone; err != nil {
			return n, err
		}
	}
	return n, nil
}

// partOf returns the document of a part of an event or of a claim.
func partOf(owner *firestore.DocumentRef, i int) *firestore.DocumentRef {
	if owner.Parent.ID == colMessages {
		return claimPart(owner, i)
	}
	return part(owner, i)
}
