package firestorestore

import (
	"context"
	"strings"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/store"
)

// Due implements [store.Store].
func (s *Store) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	q := byDue.on(s.service(service).Collection(colOutbox))
	infos, err := readDue(ctx, service, q.Where("nextAttemptAt", "<=", now).Limit(limit))
	if err != nil || beyond.IsZero() {
		return infos, err
	}
	if beyond.Before(now) {
		beyond = now
	}
	void, err := readDue(ctx, service, q.Where("nextAttemptAt", ">", beyond).Limit(limit))
	return append(infos, void...), err
}

func readDue(ctx context.Context, service string, q firestore.Query) ([]store.ClaimInfo, error) {
	docs, err := q.Select(infoFields...).Documents(ctx).GetAll()
	if err != nil {
		return nil, failed("read due claims", err)
	}
	return toInfos(service, docs)
}

func toInfos(service string, docs []*firestore.DocumentSnapshot) (infos []store.ClaimInfo, err error) {
	infos = make([]store.ClaimInfo, len(docs))
	for i, d := range docs {
		if infos[i], _, err = toClaimInfo(service, d); err != nil {
			return nil, err
		}
	}
	return infos, nil
}

// Lease implements [store.Store].
func (s *Store) Lease(ctx context.Context, service, id string, attempts int, until time.Time) error {
	return s.change(ctx, service, id, func(c claimDoc) ([]firestore.Update, error) {
		if c.State != string(store.Claimed) && c.State != string(store.Gathering) || c.Attempts != attempts {
			return nil, store.ErrConflict
		}
		return []firestore.Update{
			{Path: "attempts", Value: attempts + 1}, {Path: "nextAttemptAt", Value: until},
			{Path: "lastError", Value: firestore.Delete},
		}, nil
	})
}

// Settle implements [store.Store]. The success of a claim with one target is written without
// reading the claim. Any other outcome is written only if it still matters, because another
// attempt may have succeeded.
func (s *Store) Settle(ctx context.Context, service, id string, o store.Outcome) error {
	if !o.PublishedAt.IsZero() || o.Failed {
		if err := s.expireParts(ctx, s.claimRef(service, id), o.Parts, o.ExpireAt); err != nil {
			return err
		}
	}
	if o.PublishedAt.IsZero() || len(o.Targets) > 0 {
		return s.change(ctx, service, id, func(c claimDoc) ([]firestore.Update, error) {
			state := store.State(c.State)
			if state != store.Claimed && (state != store.Failed || o.PublishedAt.IsZero() && !o.Failed) {
				return nil, nil
			}
			return outcomeUpdates(o, c)
		})
	}
	updates, err := outcomeUpdates(o, claimDoc{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = s.claimRef(service, id).Update(ctx, updates)
	s.wrote(err)
	if notFound(err) {
		return store.ErrNotFound
	}
	if err != nil {
		return failed("settle", err)
	}
	return nil
}

// outcomeUpdates returns the changes of a claim after an attempt to publish.
func outcomeUpdates(o store.Outcome, c claimDoc) ([]firestore.Update, error) {
	updates, err := targetsUpdate(o, c)
	if err != nil {
		return nil, err
	}
	switch {
	case !o.PublishedAt.IsZero():
		return append(updates,
			firestore.Update{Path: "state", Value: string(store.Published)},
			firestore.Update{Path: "publishedAt", Value: o.PublishedAt},
			firestore.Update{Path: "size", Value: o.Size},
			firestore.Update{Path: "expireAt", Value: orDelete(o.ExpireAt)},
			firestore.Update{Path: "nextAttemptAt", Value: firestore.Delete},
			firestore.Update{Path: "lastError", Value: firestore.Delete},
		), nil
	case o.Failed:
		return append(updates,
			firestore.Update{Path: "state", Value: string(store.Failed)},
			firestore.Update{Path: "size", Value: o.Size},
			firestore.Update{Path: "expireAt", Value: orDelete(o.ExpireAt)},
			firestore.Update{Path: "nextAttemptAt", Value: firestore.Delete},
			firestore.Update{Path: "lastError", Value: o.Error},
		), nil
	default:
		return append(updates,
			firestore.Update{Path: "nextAttemptAt", Value: o.NextAttempt}, firestore.Update{Path: "lastError", Value: o.Error},
		), nil
	}
}

func orDelete(t time.Time) any {
	if t.IsZero() {
		return firestore.Delete
	}
	return t
}

// change updates a claim on the condition that it is unchanged since decide saw it. If it
// changed, decide is called again. decide returns no updates if there is nothing to do.
func (s *Store) change(ctx context.Context, service, id string, decide func(claimDoc) ([]firestore.Update, error)) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ref := s.claimRef(service, id)
	for range rounds {
		d, err := ref.Get(ctx)
		if notFound(err) {
			return store.ErrNotFound
		}
		var doc claimDoc
		if err == nil {
			err = d.DataTo(&doc)
		}
		if err != nil {
			return failed("read a claim", err)
		}
		updates, err := decide(doc)
		if err != nil || len(updates) == 0 {
			return err
		}
		_, err = ref.Update(ctx, updates, firestore.LastUpdateTime(d.UpdateTime))
		s.wrote(err)
		if err == nil {
			return nil
		}
		if !refused(err) {
			return failed("change a claim", err)
		}
	}
	return failed("change a claim", errBusy)
}

// Claims implements [store.Store].
func (s *Store) Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	col := s.service(service).Collection(colOutbox)
	q, beyond := byDateDesc.on(col), "<"
	switch {
	case page.Completion != "" && page.Key != nil && page.State != "":
		q = byKeyCompletionStateDateDesc.on(col, storedKey(*page.Key), string(page.State), string(page.Completion))
	case page.Completion != "" && page.Key != nil:
		q = byKeyCompletionDateDesc.on(col, storedKey(*page.Key), string(page.Completion))
	case page.Completion != "" && page.State != "":
		q = byCompletionStateDateDesc.on(col, string(page.State), string(page.Completion))
	case page.Completion != "":
		q = byCompletionDateDesc.on(col, string(page.Completion))
	case page.Key != nil && page.State != "":
		q = byKeyStateDateDesc.on(col, storedKey(*page.Key), string(page.State))
	case page.Key != nil:
		q = byKeyDateDesc.on(col, storedKey(*page.Key))
	case page.OldestFirst:
		q, beyond = byStateDate.on(col, string(page.State)), ">="
	case page.State != "":
		q = byStateDateDesc.on(col, string(page.State))
	}
	if page.After != nil {
		// The cursor's id need not belong to a claim, but Firestore must accept it as a document id.
		if id := strings.ReplaceAll(page.After.ID, "/", "0"); id != "" {
			q = q.StartAfter(page.After.Date, id)
		} else {
			q = q.Where("date", beyond, page.After.Date)
		}
	}
	docs, err := q.Select(infoFields...).Limit(page.Limit).Documents(ctx).GetAll()
	if err != nil {
		return nil, failed("list claims", err)
	}
	return toInfos(service, docs)
}

// Backlog implements [store.Store].
func (s *Store) Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	col := s.service(service).Collection(colOutbox)
	docs, err := byStateDate.on(col, string(store.Claimed)).Select("date").Limit(1).Documents(ctx).GetAll()
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
	if n, err = countQuery(ctx, byState.on(col, string(store.Claimed))); err != nil {
		return 0, time.Time{}, failed("count the backlog", err)
	}
	return max(n, 1), doc.Date.UTC(), nil
}
