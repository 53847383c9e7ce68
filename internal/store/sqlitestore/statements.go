package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// statements are the writer's.
type statements struct {
	begin, commit, rollback, savepoint, undo, release *sql.Stmt

	addService, service, addEndpoint, endpoint *sql.Stmt

	addEvent, event, archiveEvent, addPointer, deletePointer *sql.Stmt

	addClaim, claimOwner, claimState, lease, settlePublished, settleFailed *sql.Stmt

	purgeEvents, purgeClaims *sql.Stmt
}

// preparer is a *sql.Conn or a *sql.DB.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

const (
	sqlService  = `SELECT num FROM service WHERE name = ?`
	sqlEndpoint = `SELECT num FROM endpoint WHERE service = ? AND key = ?`
)

func prepareStatements(ctx context.Context, p preparer) (s statements, err error) {
	err = prepare(ctx, p, map[**sql.Stmt]string{
		&s.begin:     `BEGIN IMMEDIATE`,
		&s.commit:    `COMMIT`,
		&s.rollback:  `ROLLBACK`,
		&s.savepoint: `SAVEPOINT op`,
		&s.undo:      `ROLLBACK TO op`,
		&s.release:   `RELEASE op`,

		&s.addService:  `INSERT INTO service (name) VALUES (?) ON CONFLICT DO NOTHING`,
		&s.service:     sqlService,
		&s.addEndpoint: `INSERT INTO endpoint (service, key) VALUES (?, ?) ON CONFLICT DO NOTHING`,
		&s.endpoint:    sqlEndpoint,

		&s.addEvent: `INSERT INTO event (service, id, endpoint, received_at, expire_at, attempt, meta, content)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		&s.event: `SELECT received_at, attempt FROM event WHERE service = ? AND id = ?`,
		// REPLACE: only an event received at the very same time can be in the way.
		&s.archiveEvent:  `UPDATE OR REPLACE event SET id = ? WHERE service = ? AND id = ?`,
		&s.addPointer:    `INSERT OR REPLACE INTO pending (endpoint, received_at, id, size) VALUES (?, ?, ?, ?)`,
		&s.deletePointer: `DELETE FROM pending WHERE endpoint = ? AND received_at = ? AND id = ?`,

		&s.addClaim: `INSERT INTO claim (service, id, event_id, trigger_type, date, owner, events, published,
			size, attempts, next_attempt, published_at, last_error, lists)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		&s.claimOwner: sqlClaimOwner,
		&s.claimState: `SELECT published FROM claim WHERE service = ? AND id = ?`,
		&s.lease: `UPDATE claim SET next_attempt = ?, attempts = attempts + 1
			WHERE service = ? AND id = ? AND attempts = ? AND published = 0`,
		&s.settlePublished: `UPDATE claim SET published = 1, published_at = ?, size = ?, expire_at = ?, next_attempt = ?,
			last_error = '' WHERE service = ? AND id = ? AND published = 0`,
		&s.settleFailed: `UPDATE claim SET next_attempt = ?, last_error = ? WHERE service = ? AND id = ? AND published = 0`,

		&s.purgeEvents: `DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE expire_at <= ? LIMIT ?)`,
		&s.purgeClaims: `DELETE FROM claim WHERE seq IN
			(SELECT seq FROM claim WHERE published = 1 AND expire_at <= ? LIMIT ?)`,
	})
	return s, err
}

// queries are the readers'.
type queries struct {
	service, endpoint *sql.Stmt

	pending, count, summarize, stale, event *sql.Stmt

	due, claimOwner, claimByEventID, claims, claimsByState, backlog *sql.Stmt
}

const (
	sqlClaimOwner = `SELECT owner FROM claim WHERE service = ? AND id = ?`

	claimInfo = `id, event_id, trigger_type, date, owner, events, published, size, attempts, next_attempt, published_at, last_error`
)

func prepareQueries(ctx context.Context, p preparer) (q queries, err error) {
	err = prepare(ctx, p, map[**sql.Stmt]string{
		&q.service:  sqlService,
		&q.endpoint: sqlEndpoint,

		&q.pending: `SELECT id, received_at, size FROM pending WHERE endpoint = ? AND received_at > ?
			ORDER BY received_at, id LIMIT ?`,
		&q.count:     `SELECT count(*) FROM (SELECT 1 FROM pending WHERE endpoint = ? AND received_at > ? LIMIT ?)`,
		&q.summarize: `SELECT count(*), min(received_at), max(received_at) FROM pending WHERE endpoint = ? AND received_at > ?`,
		&q.stale: `SELECT id, received_at, size FROM pending WHERE endpoint = ? AND received_at <= ?
			ORDER BY received_at, id LIMIT ?`,
		&q.event: `SELECT e.received_at, k.key, e.meta, e.content FROM event e JOIN endpoint k ON k.num = e.endpoint
			WHERE e.service = ? AND e.id = ?`,

		&q.due: `SELECT ` + claimInfo + `, lists FROM claim WHERE service = ? AND published = 0 AND next_attempt <= ?
			ORDER BY next_attempt LIMIT ?`,
		&q.claimOwner:     sqlClaimOwner,
		&q.claimByEventID: `SELECT ` + claimInfo + `, lists FROM claim WHERE service = ? AND event_id = ? ORDER BY seq DESC LIMIT 1`,
		&q.claims: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND (date, id) < (?, ?)
			ORDER BY date DESC, id DESC LIMIT ?`,
		&q.claimsByState: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND published = ? AND (date, id) < (?, ?)
			ORDER BY date DESC, id DESC LIMIT ?`,
		&q.backlog: `SELECT count(*), min(date) FROM claim WHERE service = ? AND published = 0`,
	})
	return q, err
}

func prepare(ctx context.Context, p preparer, all map[**sql.Stmt]string) error {
	var errs []error
	for stmt, text := range all {
		var err error
		if *stmt, err = p.PrepareContext(ctx, text); err != nil {
			errs = append(errs, fmt.Errorf("prepare %s: %w", text, err))
		}
	}
	return errors.Join(errs...)
}
