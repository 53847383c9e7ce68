package firestorestore

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/store"
)

// Claims are listed by a state, a correlation key or a completion, in the order of their
// dates. A query of two fields would need a composite index for each of the three. So a claim
// has a position for each: the value, then the date and the id, in bytes that sort in this
// order. A range of the position, which has an automatic index, lists the claims of one value.

// packClaim returns the date and the id of a claim. The bytes sort by (date, id).
func packClaim(date time.Time, id string) []byte { return append(packTime(date.UnixMicro()), id...) }

// statePrefix returns what the positions of claims in that state begin with. Published claims
// have none: nearly all claims are published, so a list of all of them serves as well, and
// fewer entries are written.
func statePrefix(s store.State) []byte { return []byte(string(s) + ":") }

// keyPrefix returns what the positions of a correlation key's claims begin with. A key may be
// longer than an index compares, so it is a hash.
func keyPrefix(key string) []byte {
	sum := sha256.Sum256([]byte(storedKey(key)))
	return sum[:16]
}

func completionPrefix(c store.Completion) []byte { return []byte(string(c) + ":") }

// addPositions sets the positions of a claim. A claim that is still gathered has no date, and
// is queried by its state only.
func (d *claimDoc) addPositions(c store.ClaimInfo) {
	if c.State != store.Published {
		d.StateAt = append(statePrefix(c.State), packClaim(c.Date, c.ID)...)
	}
	if c.Date.IsZero() {
		return
	}
	d.At = packClaim(c.Date, c.ID)
	if c.Window != nil {
		d.KeyAt = append(keyPrefix(c.Window.Key), d.At...)
		d.CompletionAt = append(completionPrefix(c.Window.Completion), d.At...)
	}
}

// inPrefix returns the query for the claims whose position begins with the prefix; nil: all
// that have the position.
func inPrefix(s shape, col *firestore.CollectionRef, prefix []byte) firestore.Query {
	q := s.on(col)
	if len(prefix) > 0 {
		q = q.Where(s.order, ">=", prefix).Where(s.order, "<", next(slices.Clone(prefix)))
	}
	return q
}

// claimsAtOnce is the number of claims that a query reads at least, if some of them may not meet
// the page's other conditions. Otherwise a short page could take a query for each claim.
const claimsAtOnce = 300

// sifts reports whether the page has a condition besides its position.
func sifts(page store.Page) bool {
	return page.State == store.Published || page.Key != nil && page.Completion != "" || page.State != "" && (page.Key != nil || page.Completion != "")
}

// index returns the position by which a page of claims is read, its prefix, and the condition
// that the claims must meet besides. It chooses the value that the fewest claims have: most
// claims are published, and most windows of a service complete.
func index(page store.Page) (by shape, prefix []byte, keep func(store.ClaimInfo) bool) {
	keep = func(c store.ClaimInfo) bool {
		return (page.State == "" || c.State == page.State) &&
			(page.Key == nil || c.Window != nil && c.Window.Key == storedKey(*page.Key)) &&
			(page.Completion == "" || c.Window != nil && c.Window.Completion == page.Completion)
	}
	switch {
	case page.State != "" && page.State != store.Published:
		return byState.sorted(!page.OldestFirst), statePrefix(page.State), keep
	case page.Key != nil:
		return byKey, keyPrefix(*page.Key), keep
	case page.Completion != "":
		return byCompletion, completionPrefix(page.Completion), keep
	default:
		return byDate.sorted(!page.OldestFirst), nil, keep
	}
}

// Claims implements [store.Store]. It reads on until the page is full, because some of the
// claims that it reads may not meet the page's other conditions.
func (s *Store) Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	by, prefix, keep := index(page)
	all, beyond := inPrefix(by, s.messages(service), prefix).Select(infoFields...), "<"
	if page.OldestFirst {
		beyond = ">"
	}
	claims, after, atOnce := []store.ClaimInfo{}, page.After, page.Limit
	if sifts(page) {
		atOnce = max(atOnce, claimsAtOnce)
	}
	for {
		q := all
		if after != nil {
			q = q.Where(by.order, beyond, append(slices.Clone(prefix), packClaim(after.Date, after.ID)...))
		}
		docs, err := q.Limit(atOnce).Documents(ctx).GetAll()
		if err != nil {
			return nil, failed("list claims", err)
		}
		infos, err := toInfos(service, docs)
		if err != nil {
			return nil, err
		}
		for _, c := range infos {
			if keep(c) {
				claims = append(claims, c)
			}
		}
		if len(infos) < atOnce || len(claims) >= page.Limit {
			return claims[:min(len(claims), page.Limit)], nil
		}
		last := infos[len(infos)-1]
		after = &store.Cursor{Date: last.Date, ID: last.ID}
	}
}

// Backlog implements [store.Store]. It costs one billed read per thousand claims.
func (s *Store) Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	prefix := statePrefix(store.Claimed)
	q := inPrefix(byState, s.messages(service), prefix)
	docs, err := q.Select("stateAt").Limit(1).Documents(ctx).GetAll()
	if err != nil || len(docs) == 0 {
		if err != nil {
			err = failed("read the backlog", err)
		}
		return 0, time.Time{}, err
	}
	var doc claimDoc
	if err := docs[0].DataTo(&doc); err != nil {
		return 0, time.Time{}, failed("read the backlog", err)
	}
	if n, err = countQuery(ctx, q); err != nil {
		return 0, time.Time{}, failed("count the backlog", err)
	}
	return max(n, 1), unpackTime(doc.StateAt[len(prefix):]), nil
}
