package firestorestore

import (
	"context"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/store"
)

// Due implements [store.Store].
func (s *Store) Due(ctx context.Context, service string, now, beyond time.Time, limit int) ([]store.ClaimInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	q := byDue.on(s.messages(service))
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
		if c.Data.State != string(store.Claimed) && c.Data.State != string(store.Gathering) || c.Data.Attempts != attempts {
			return nil, store.ErrConflict
		}
		return []firestore.Update{
			{Path: "data.attempts", Value: attempts + 1}, {Path: "nextAttemptAt", Value: until},
			{Path: "data.lastError", Value: firestore.Delete},
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
			state := store.State(c.Data.State)
			if state != store.Claimed && (state != store.Failed || o.PublishedAt.IsZero() && !o.Failed) {
				return nil, nil
			}
			return outcomeUpdates(id, o, c)
		})
	}
	updates, err := outcomeUpdates(id, o, claimDoc{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
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

// outcomeUpdates returns the changes of a claim after an attempt to publish. c is needed only
// for an outcome that is not published, because a published claim has no position by state.
func outcomeUpdates(id string, o store.Outcome, c claimDoc) ([]firestore.Update, error) {
	updates, err := targetsUpdate(o, c)
	if err != nil {
		return nil, err
	}
	switch {
	case !o.PublishedAt.IsZero():
		return append(updates,
			firestore.Update{Path: "data.state", Value: string(store.Published)},
			firestore.Update{Path: "stateAt", Value: firestore.Delete},
			firestore.Update{Path: "data.publishedAt", Value: o.PublishedAt},
			firestore.Update{Path: "data.size", Value: o.Size},
			firestore.Update{Path: "expireAt", Value: orDelete(o.ExpireAt)},
			firestore.Update{Path: "nextAttemptAt", Value: firestore.Delete},
			firestore.Update{Path: "data.lastError", Value: firestore.Delete},
		), nil
	case o.Failed:
		return append(updates,
			firestore.Update{Path: "data.state", Value: string(store.Failed)},
			firestore.Update{Path: "stateAt", Value: append(statePrefix(store.Failed), packClaim(c.Data.Date, id)...)},
			firestore.Update{Path: "data.size", Value: o.Size},
			firestore.Update{Path: "expireAt", Value: orDelete(o.ExpireAt)},
			firestore.Update{Path: "nextAttemptAt", Value: firestore.Delete},
			firestore.Update{Path: "data.lastError", Value: o.Error},
		), nil
	default:
		return append(updates,
			firestore.Update{Path: "nextAttemptAt", Value: o.NextAttempt}, firestore.Update{Path: "data.lastError", Value: o.Error},
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
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
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
