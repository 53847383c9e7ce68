package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// claimLimit bounds the pointers of one claim. To delete that many takes about half a second,
// and other writes wait meanwhile.
const claimLimit = 50_000

// MaxClaim implements [store.Store].
func (s *Store) MaxClaim() int { return claimLimit }

// takenKeys is an encoded Taken.
type takenKeys struct {
	endpoint store.Endpoint
	keys     []pointerKey
	waiting  []waitingKey
}

// Claim implements [store.Store].
func (s *Store) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	lists, err := encodeLists(c.Lists)
	if err != nil {
		return err
	}
	if _, err := checkCommit(c.Docs); err != nil {
		return err
	}
	deletes, n, err := encodeTaken(taken)
	if err != nil {
		return err
	}
	err = s.w.do(&op{
		ctx: ctx, what: "claim", weight: n + 1 + len(c.Docs), bytes: len(lists), undo: true,
		run: func(tx *tx) error { return tx.addClaimAndTake(&c, lists, deletes) },
	})
	// A refused claim and one whose caller left in the queue have written nothing. After any
	// other error the commit may have succeeded all the same. A failure would then
	// leave the message to the process that finds the claim when its lease has ended.
	if err == nil || refused(err) || errors.Is(err, ctx.Err()) {
		return err
	}
	if s.owns(ctx, c) { // the commit succeeded, and only its answer was lost
		return nil
	}
	return err
}

// encodeTaken encodes what a commit takes, and counts it.
func encodeTaken(taken []store.Taken) (deletes []takenKeys, n int, err error) {
	deletes = make([]takenKeys, len(taken))
	for i, t := range taken {
		deletes[i].endpoint = t.Endpoint
		if deletes[i].keys, err = encodePointers(t.Pointers); err != nil {
			return nil, 0, err
		}
		if deletes[i].waiting, err = encodeWaiting(t.Waiting); err != nil {
			return nil, 0, err
		}
		n += len(t.Pointers) + len(t.Waiting)
	}
	if n > claimLimit {
		return nil, 0, fault.New(fault.Invalid, "the claim takes %d events, and %d is the most", n, claimLimit)
	}
	return deletes, n, nil
}

// addClaimAndTake creates the claim and deletes the taken pointers. If a pointer is missing,
// or another attempt has created the claim, it returns ErrConflict, and the savepoint of the
// op undoes its deletions.
func (t *tx) addClaimAndTake(c *store.Claim, lists []byte, deletes []takenKeys) error {
	service, err := t.internService(c.Service)
	if err != nil {
		return err
	}
	row, err := claimRow(service, c, lists)
	if err != nil {
		return err
	}
	n, err := change(t.addClaim, row...)
	if err != nil {
		return err
	}
	if n == 0 { // instances that see the same window make the same id, so only the owner tells them apart
		var owner string
		if err := t.claimOwner.QueryRowContext(context.Background(), service, c.ID).Scan(&owner); err != nil {
			return err
		}
		if owner == "" || owner != c.Owner {
			return store.ErrConflict
		}
		return nil // our own commit, whose answer was lost
	}
	if err := t.addClaimDocs(c.Docs); err != nil {
		return err
	}
	return t.take(c.Service, service, deletes)
}

// addClaimDocs makes the writes that a claim's commit makes too.
func (t *tx) addClaimDocs(writes []store.Write) error {
	if len(writes) == 0 {
		return nil
	}
	_, err := t.commitDocs(writes)
	return err
}

// claimRow returns the arguments of addClaim and replaceClaim.
func claimRow(service int64, c *store.Claim, lists []byte) ([]any, error) {
	key, window, targets, err := encodeDetails(&c.ClaimInfo)
	var gather, completion any // NULL: none
	if len(c.Gather) > 0 {
		gather = c.Gather
	}
	if c.Window != nil {
		completion = string(c.Window.Completion)
	}
	return []any{
		service, c.ID, c.EventID, c.TriggerType, c.Date.UnixMicro(), c.Owner, c.NumberOfEvents,
		stateNum(c.State), c.Size, c.Attempts, c.NextAttempt.UnixMicro(), c.PublishedAt.UnixMicro(), c.LastError,
		expiry(c.ExpireAt), key, window, targets, completion, c.Parts, gather, lists,
	}, err
}

// take deletes the taken pointers. It returns ErrConflict if one is missing.
func (t *tx) take(serviceName string, service int64, deletes []takenKeys) error {
	for _, d := range deletes {
		if len(d.keys)+len(d.waiting) == 0 {
			continue
		}
		owner := service
		if d.endpoint.Service != serviceName {
			var err error
			if owner, err = t.internService(d.endpoint.Service); err != nil {
				return err
			}
		}
		endpoint, err := t.internEndpoint(owner, d.endpoint.Key)
		if err != nil {
			return err
		}
		for _, k := range d.keys {
			n, err := change(t.deletePointer, endpoint, k.receivedAt, k.id)
			if err != nil {
				return err
			}
			if n == 0 { // another claim has the event: without this check it would be in two messages
				return store.ErrConflict
			}
		}
		for _, k := range d.waiting {
			n, err := change(t.deleteWaiting, endpoint, k.key, k.at, k.id)
			if err != nil {
				return err
			}
			if n == 0 {
				return store.ErrConflict
			}
		}
	}
	return nil
}

// owns reports whether this very attempt has stored the claim.
func (s *Store) owns(ctx context.Context, c store.Claim) bool {
	service, ok, err := s.serviceNum(ctx, c.Service)
	if !ok || err != nil || c.Owner == "" {
		return false
	}
	var owner string
	err = s.q.claimOwner.QueryRowContext(ctx, service, c.ID).Scan(&owner)
	return err == nil && owner == c.Owner
}

// Lease implements [store.Store]. The statement's condition on attempts is the fence: of two
// publishers that read the same count one raises it, and the other gets ErrConflict. A claim
// that was published meanwhile is a conflict, too, so nobody publishes it again.
func (s *Store) Lease(ctx context.Context, service, id string, attempts int, until time.Time) error {
	return s.update(ctx, "lease", service, func(tx *tx, num int64) error {
		n, err := change(tx.lease, until.UnixMicro(), num, id, attempts)
		if n > 0 || err != nil {
			return err
		}
		if err := tx.exists(num, id); err != nil {
			return err
		}
		return store.ErrConflict
	})
}

// Settle implements [store.Store]. A publisher that lost its lease may settle late. Its failure
// must not turn a published claim into one that waits, or the message would be sent again.
func (s *Store) Settle(ctx context.Context, service, id string, o store.Outcome) error {
	return s.update(ctx, "settle", service, func(tx *tx, num int64) (err error) {
		var n int
		targets, err := tx.mergeTargets(num, id, o)
		if err != nil {
			return err
		}
		none := time.Time{}.UnixMicro()
		switch {
		case !o.PublishedAt.IsZero():
			n, err = change(tx.settlePublished, o.PublishedAt.UnixMicro(), o.Size, expiry(o.ExpireAt), none, targets, num, id)
		case o.Failed:
			n, err = change(tx.settleGivenUp, o.Size, expiry(o.ExpireAt), none, o.Error, targets, num, id)
		default:
			n, err = change(tx.settleFailed, o.NextAttempt.UnixMicro(), o.Error, targets, num, id)
		}
		if n > 0 || err != nil {
			return err
		}
		return tx.exists(num, id) // a published claim stays published
	})
}

// mergeTargets returns the column targets after the outcome. nil leaves it as it is.
func (t *tx) mergeTargets(service int64, id string, o store.Outcome) (any, error) {
	if len(o.Targets) == 0 {
		return nil, nil
	}
	var stored []byte
	err := t.claimTargets.QueryRowContext(context.Background(), service, id).Scan(&stored)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrNotFound
	}
	var before store.ClaimInfo
	if err == nil {
		err = decodeDetails(&before, nil, stored)
	}
	if err != nil {
		return nil, err
	}
	return encodeTargets(o.Merge(before.Targets))
}

// update runs a change of a claim of the service. It returns ErrNotFound if the service has
// no data.
func (s *Store) update(ctx context.Context, what, service string, run func(tx *tx, service int64) error) error {
	num, ok, err := s.serviceNum(ctx, service)
	if err != nil {
		return s.reading(what, err)
	}
	if !ok {
		return store.ErrNotFound
	}
	return s.w.do(&op{ctx: ctx, what: what, weight: 1, run: func(tx *tx) error { return run(tx, num) }})
}

// exists returns ErrNotFound if the claim does not exist.
func (t *tx) exists(service int64, id string) error {
	var published int
	err := t.claimState.QueryRowContext(context.Background(), service, id).Scan(&published)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}
