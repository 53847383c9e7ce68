package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// statements holds the prepared statements of the writer.
type statements struct {
	begin, commit, rollback, savepoint, undo, release *sql.Stmt

	addService, service, addEndpoint, endpoint *sql.Stmt

	addEvent, addEvents, event, archiveEvent, addPointer, addPointers, deletePointer *sql.Stmt

	waitingIn, addWaiting, addWaitings, takeSlot, deleteWaiting *sql.Stmt

	addClaim, claimOwner, claimState, claimTargets, lease, settlePublished, settleFailed, settleGivenUp *sql.Stmt

	addPart, partOwner, replaceClaim *sql.Stmt

	addCollection, collection *sql.Stmt

	nextRevision, addDoc, addDocs, putDoc, replaceDoc, deleteDoc, deleteDocAt *sql.Stmt

	keepEvent, purgeEvents, purgeClaims, purgeDocs *sql.Stmt

	changes *sql.Stmt

	all []*sql.Stmt
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	s.all = nil
	return errors.Join(errs...)
}

// preparer is a *sql.Conn or a *sql.DB.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

const (
	sqlService  = `SELECT num FROM service WHERE name = ?`
	sqlEndpoint = `SELECT num FROM endpoint WHERE service = ? AND key = ?`

	sqlAddEvent   = `INSERT INTO event (service, id, endpoint, received_at, expire_at, attempt, meta, content) VALUES `
	eightValues   = `(?, ?, ?, ?, ?, ?, ?, ?)`
	sqlAddPointer = `INSERT OR REPLACE INTO pending (endpoint, received_at, id, size) VALUES `
	pointerValues = `(?, ?, ?, ?)`
	waitingInto   = `INTO waiting (endpoint, key, at, id, received_at, size, first, slot) VALUES `

	sqlCollection = `SELECT num FROM collection WHERE kind = ? AND scope = ?`
	sqlAddDoc     = `INSERT INTO doc (collection, id, rev, ord, expire_at, body) VALUES `
	docValues     = `(?, ?, ?, ?, ?, ?)`
	sqlDoc        = `SELECT id, rev, ord, expire_at, body FROM doc WHERE collection = ? AND `
)

func prepareStatements(ctx context.Context, p preparer) (s statements, err error) {
	s.all, err = prepare(ctx, p, map[**sql.Stmt]string{
		&s.changes: `SELECT total_changes()`,

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

		&s.addEvent:  sqlAddEvent + eightValues + ` ON CONFLICT DO NOTHING`,
		&s.addEvents: sqlAddEvent + strings.Repeat(eightValues+`, `, eventsAtOnce-1) + eightValues,
		&s.event:     `SELECT received_at, attempt FROM event WHERE service = ? AND id = ?`,
		// REPLACE: only an event with the same id and time can have the archived id already.
		&s.archiveEvent:  `UPDATE OR REPLACE event SET id = ? WHERE service = ? AND id = ?`,
		&s.addPointer:    sqlAddPointer + pointerValues,
		&s.addPointers:   sqlAddPointer + strings.Repeat(pointerValues+`, `, eventsAtOnce-1) + pointerValues,
		&s.deletePointer: `DELETE FROM pending WHERE endpoint = ? AND received_at = ? AND id = ?`,

		&s.waitingIn:     `SELECT id, at, received_at, size, first FROM waiting WHERE endpoint = ? AND key = ? AND slot = ?`,
		&s.addWaiting:    `INSERT OR REPLACE ` + waitingInto + eightValues,
		&s.addWaitings:   `INSERT ` + waitingInto + strings.Repeat(eightValues+`, `, eventsAtOnce-1) + eightValues,
		&s.takeSlot:      `INSERT ` + waitingInto + eightValues + ` ON CONFLICT DO NOTHING`,
		&s.deleteWaiting: `DELETE FROM waiting WHERE endpoint = ? AND key = ? AND at = ? AND id = ?`,

		&s.addClaim: `INSERT INTO claim (service, id, event_id, trigger_type, date, owner, events, published,
			size, attempts, next_attempt, published_at, last_error, expire_at, key, window, targets, completion, parts, gather, lists)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		&s.replaceClaim: `UPDATE claim SET event_id = ?3, trigger_type = ?4, date = ?5, owner = ?6, events = ?7, published = ?8,
			size = ?9, attempts = ?10, next_attempt = ?11, published_at = ?12, last_error = ?13, expire_at = ?14, key = ?15, window = ?16,
			targets = ?17, completion = ?18, parts = ?19, gather = ?20, lists = ?21 WHERE service = ?1 AND id = ?2 AND published = 4`,
		&s.addPart:      `INSERT INTO part (service, claim, num, owner, lists) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		&s.partOwner:    sqlPartOwner,
		&s.claimOwner:   sqlClaimOwner,
		&s.claimState:   `SELECT published FROM claim WHERE service = ? AND id = ?`,
		&s.claimTargets: `SELECT targets FROM claim WHERE service = ? AND id = ?`,
		&s.lease: `UPDATE claim SET next_attempt = ?, attempts = attempts + 1, last_error = ''
			WHERE service = ? AND id = ? AND attempts = ? AND published IN (0, 4)`,
		&s.settlePublished: `UPDATE claim SET published = 1, published_at = ?, size = ?, expire_at = ?, next_attempt = ?,
			last_error = '', targets = coalesce(?, targets) WHERE service = ? AND id = ? AND published IN (0, 3)`,
		&s.settleGivenUp: `UPDATE claim SET published = 3, size = ?, expire_at = ?, next_attempt = ?, last_error = ?,
			targets = coalesce(?, targets) WHERE service = ? AND id = ? AND published IN (0, 3)`,
		&s.settleFailed: `UPDATE claim SET next_attempt = ?, last_error = ?, targets = coalesce(?, targets) WHERE service = ? AND id = ? AND published = 0`,

		&s.addCollection: `INSERT INTO collection (kind, scope) VALUES (?, ?) ON CONFLICT DO NOTHING`,
		&s.collection:    sqlCollection,
		&s.nextRevision:  `UPDATE revision SET last = last + ? RETURNING last`,
		&s.addDoc:        sqlAddDoc + docValues + ` ON CONFLICT DO NOTHING`,
		&s.addDocs:       sqlAddDoc + strings.Repeat(docValues+`, `, docsAtOnce-1) + docValues + ` ON CONFLICT DO NOTHING`,
		&s.putDoc: sqlAddDoc + docValues + ` ON CONFLICT (collection, id)
			DO UPDATE SET rev = excluded.rev, ord = excluded.ord, expire_at = excluded.expire_at, body = excluded.body`,
		&s.replaceDoc:  `UPDATE doc SET rev = ?, ord = ?, expire_at = ?, body = ? WHERE collection = ? AND id = ? AND rev = ?`,
		&s.deleteDoc:   `DELETE FROM doc WHERE collection = ? AND id = ?`,
		&s.deleteDocAt: `DELETE FROM doc WHERE collection = ? AND id = ? AND rev = ?`,

		&s.keepEvent: `UPDATE event SET expire_at = ?1 WHERE service = ?2 AND id = ?3 AND received_at = ?4 AND expire_at < ?1`,

		&s.purgeDocs:   `DELETE FROM doc WHERE seq IN (SELECT seq FROM doc WHERE expire_at <= ? LIMIT +?)`,
		&s.purgeEvents: `DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE expire_at <= ? LIMIT +?)`,
		&s.purgeClaims: `DELETE FROM claim WHERE seq IN
			(SELECT seq FROM claim WHERE published > 0 AND expire_at <= ? LIMIT +?)`,
	})
	return s, err
}

// queries holds the prepared statements of the readers.
type queries struct {
	service, endpoint *sql.Stmt

	pending, count, summarize, stale, event, expires, eventsBetween *sql.Stmt

	waitingOf, waitingUpTo, countWaiting *sql.Stmt
	waitingOfMany                        [len(manyLooks)]*sql.Stmt

	gatherings, gatheringsDue, gatheringsBeyond, partOwner, part, claimByID *sql.Stmt

	due, dueBeyond, claimOwner, claimByEventID, claims, claimsByState, claimsByKey, claimsByCompletion, claimsOldest, backlog *sql.Stmt

	collection, doc, docs, docsUp, docsDown, docsByOrderUp, docsByOrderDown, countDocs, lastRevision, changedDocs *sql.Stmt
}

const (
	sqlClaimOwner = `SELECT owner FROM claim WHERE service = ? AND id = ?`

	claimInfo    = `id, event_id, trigger_type, date, owner, events, published, size, attempts, next_attempt, published_at, last_error, window, targets, parts`
	sqlPartOwner = `SELECT owner FROM part WHERE service = ? AND claim = ? AND num = ?`

	waitingRow = `key, at, id, received_at, size, first, slot`
)

func prepareQueries(ctx context.Context, p preparer) (q queries, err error) {
	texts := map[**sql.Stmt]string{
		&q.service:  sqlService,
		&q.endpoint: sqlEndpoint,

		&q.pending: `SELECT id, received_at, size FROM pending WHERE endpoint = ? AND received_at > ?
			ORDER BY received_at, id LIMIT +?`,
		&q.count:     `SELECT count(*) FROM (SELECT 1 FROM pending WHERE endpoint = ? AND received_at > ? LIMIT +?)`,
		&q.summarize: `SELECT count(*), min(received_at), max(received_at) FROM pending WHERE endpoint = ? AND received_at > ?`,
		&q.stale: `SELECT id, received_at, size FROM pending WHERE endpoint = ? AND received_at <= ?
			ORDER BY received_at, id LIMIT +?`,
		&q.event: `SELECT e.received_at, k.key, e.meta, e.content FROM event e JOIN endpoint k ON k.num = e.endpoint
			WHERE e.service = ? AND e.id = ?`,
		&q.expires: `SELECT expire_at FROM event WHERE service = ? AND id = ? AND received_at = ?`,
		&q.eventsBetween: `SELECT e.id, e.received_at, length(e.meta) + coalesce(length(e.content), 0), k.key
			FROM event e JOIN endpoint k ON k.num = e.endpoint
			WHERE e.service = ? AND (e.received_at, e.id) > (?, ?) AND e.received_at < ?
			ORDER BY e.received_at, e.id LIMIT +?`,

		&q.waitingOf: `SELECT ` + waitingRow + ` FROM waiting WHERE endpoint = ? AND key = ? AND at >= ? AND at < ?
			ORDER BY at, id LIMIT +?`,
		&q.waitingUpTo: `SELECT ` + waitingRow + ` FROM waiting WHERE endpoint = ? AND (at, id) > (?, ?) AND at <= ?
			ORDER BY at, id LIMIT +?`,
		&q.countWaiting: `SELECT count(*) FROM (SELECT 1 FROM waiting WHERE endpoint = ? LIMIT +?)`,

		&q.collection:      sqlCollection,
		&q.doc:             sqlDoc + `id = ?`,
		&q.docs:            sqlDoc + `id IN (?` + strings.Repeat(", ?", docsAtOnce-1) + `)`,
		&q.docsUp:          sqlDoc + `id > ? ORDER BY id LIMIT +?`,
		&q.docsDown:        sqlDoc + `id < ? ORDER BY id DESC LIMIT +?`,
		&q.docsByOrderUp:   sqlDoc + `ord > 0 AND (ord, id) > (?, ?) ORDER BY ord, id LIMIT +?`,
		&q.docsByOrderDown: sqlDoc + `ord > 0 AND (ord, id) < (?, ?) ORDER BY ord DESC, id DESC LIMIT +?`,
		&q.countDocs:       `SELECT count(*) FROM (SELECT 1 FROM doc WHERE collection = ? LIMIT +?)`,
		&q.lastRevision:    `SELECT last FROM revision`,
		&q.changedDocs: `SELECT c.kind, c.scope, d.id, d.rev FROM doc d JOIN collection c ON c.num = d.collection
			WHERE d.rev BETWEEN ? AND ? ORDER BY d.rev LIMIT +?`,

		&q.due: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND published = 0 AND next_attempt <= ?
			ORDER BY next_attempt LIMIT +?`,
		&q.dueBeyond: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND published = 0 AND next_attempt > ?
			ORDER BY next_attempt DESC LIMIT +?`,
		&q.claimOwner: sqlClaimOwner,
		&q.claimByEventID: `SELECT ` + claimInfo + `, gather, lists FROM claim WHERE service = ? AND event_id = ? AND +published < 4
			ORDER BY seq DESC LIMIT 1`,
		&q.claimByID:  `SELECT ` + claimInfo + `, gather, lists FROM claim WHERE service = ? AND id = ?`,
		&q.partOwner:  sqlPartOwner,
		&q.part:       `SELECT lists FROM part WHERE service = ? AND claim = ? AND num = ?`,
		&q.gatherings: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND published = 4 ORDER BY next_attempt LIMIT +?`,
		&q.gatheringsDue: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND published = 4 AND next_attempt <= ?
			ORDER BY next_attempt LIMIT +?`,
		&q.gatheringsBeyond: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND published = 4 AND next_attempt > ?
			ORDER BY next_attempt DESC LIMIT +?`,
		&q.claims: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND +published < 4 AND (date, id) < (?, ?)
			ORDER BY date DESC, id DESC LIMIT +?`,
		&q.claimsByState: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND published = ? AND (date, id) < (?, ?)
			ORDER BY date DESC, id DESC LIMIT +?`,
		&q.claimsByKey: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND key = ?
			AND +published < 4 AND (?3 < 0 OR published = ?3) AND (?4 = '' OR completion = ?4) AND (date, id) < (?, ?)
			ORDER BY date DESC, id DESC LIMIT +?`,
		&q.claimsByCompletion: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND completion = ?
			AND +published < 4 AND (?3 < 0 OR published = ?3) AND (date, id) < (?, ?)
			ORDER BY date DESC, id DESC LIMIT +?`,
		&q.claimsOldest: `SELECT ` + claimInfo + ` FROM claim WHERE service = ? AND published = ? AND (date, id) > (?, ?)
			ORDER BY date, id LIMIT +?`,
		&q.backlog: `SELECT count(*), min(date) FROM claim WHERE service = ? AND published = 0`,
	}
	for i, n := range manyLooks {
		texts[&q.waitingOfMany[i]] = sqlManyLooks(n)
	}
	_, err = prepare(ctx, p, texts)
	return q, err
}

// prepare prepares all texts. Every LIMIT with a parameter is written as "+?": SQLite looks
// at the value of a bare one when it plans, and so parses and plans the statement again
// after each bind, which takes several times as long as to read a few rows.
//
// prepare returns the prepared statements even if others failed, so that the caller can
// close them.
func prepare(ctx context.Context, p preparer, texts map[**sql.Stmt]string) (all []*sql.Stmt, err error) {
	var errs []error
	for stmt, text := range texts {
		var err error
		if *stmt, err = p.PrepareContext(ctx, text); err != nil {
			errs = append(errs, fmt.Errorf("prepare %s: %w", text, err))
			continue
		}
		all = append(all, *stmt)
	}
	return all, errors.Join(errs...)
}
