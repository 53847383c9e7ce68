package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

var errClosed = errors.New("the store is closed")

// The limits of a group keep its commit short.
const (
	maxGroupOps    = 1024
	maxGroupWeight = 4096     // approximate number of rows
	maxGroupBytes  = 32 << 20 // of bodies
	// longestGroup bounds the time that a group runs before its commit, on a slow machine
	// too, because another process may wait for the file. The rest of the group is put back
	// for the next one.
	longestGroup = 100 * time.Millisecond
	// maxOpWeight is the weight up to which work that need not be one commit is put into one
	// op.
	maxOpWeight = 512
)

// op is one caller's write. The caller does all work that needs no transaction, encoding
// above all, before it queues the op: during the transaction every other writer waits.
type op struct {
	ctx    context.Context
	what   string // for errors
	weight int    // approximate number of rows
	bytes  int
	// undo means that run may write something and then refuse. The op gets a savepoint.
	undo bool
	// run writes. An error for which refused is true undoes this op only. Any other undoes
	// the group.
	run func(tx *tx) error

	err       error
	turn      chan bool // receives true: lead the next group; false: err is the answer
	appointed bool      // true was sent on turn
}

// writer has the only connection that writes.
//
// A caller that finds the writer idle becomes the leader. It begins a transaction, runs all
// ops that are queued by then, commits and answers the other callers. If more ops were
// queued meanwhile, it appoints the first of them as the next leader. So no caller leads
// more than one group, and an idle writer has no goroutine.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts statements
	names *names
	turns *turns

	longest time.Duration // bounds the run of a group
	health  *health
	files   files
	changes int // rows changed on this connection, as of the last group
	own     ownWrites

	mu     sync.Mutex
	idle   *sync.Cond // signalled when busy becomes false
	queue  []*op
	busy   bool  // a leader is at work or appointed
	refuse error // what every op gets: nil until the store is closed
	// afterCommit returns the error of a commit whose answer was lost. Tests only.
	afterCommit func() error
}

// tx is the transaction that the ops of a group share.
type tx struct {
	statements
	names *names
	fresh []name // got their numbers in this transaction
	revs  span   // of the documents that were written
}

func openWriter(ctx context.Context, path string, names *names, health *health) (_ *writer, err error) {
	w := &writer{names: names, health: health, turns: newTurns(path), longest: longestGroup}
	w.idle = sync.NewCond(&w.mu)
	w.db, err = sql.Open("sqlite", dsn(path, writerCacheKB,
		fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages), fmt.Sprintf("journal_size_limit(%d)", maxLogBytes)))
	if err != nil {
		return nil, err
	}
	w.db.SetMaxOpenConns(1)
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return nil, errors.Join(err, w.db.Close())
	}
	if err = migrate(ctx, w.conn); err == nil {
		w.stmts, err = prepareStatements(ctx, w.conn)
	}
	if err == nil {
		// From here on turns waits for other processes, because SQLite's own wait ignores ctx.
		_, err = w.conn.ExecContext(ctx, "PRAGMA busy_timeout = 0")
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// close waits for the group under way and everything queued, then closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	w.refuse = errClosed
	for w.busy {
		w.idle.Wait()
	}
	w.mu.Unlock()
	if w.db == nil { // the store is open for reading
		return nil
	}
	return errors.Join(w.fold(), w.conn.Close(), w.db.Close())
}

// fold moves the log into the file, so that the file alone is complete. SQLite does that
// when the last connection closes, but not while statements are prepared, and database/sql
// leaves the statements of a *sql.Conn open. Another process that reads may keep parts of
// the log from being moved. They are moved when that process closes the store.
func (w *writer) fold() error {
	if err := w.stmts.close(); err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", foldTimeout.Milliseconds())); err != nil {
		return err
	}
	if _, err := w.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil && !isBusy(err) {
		return fmt.Errorf("fold the log: %w", explain(err))
	}
	return nil
}

// do queues the op, waits until a group with it was committed or failed, and returns the
// op's error. It leads that group itself if no other caller does. If ctx ends while the op
// is still queued, nothing was written.
func (w *writer) do(o *op) error {
	if err := o.ctx.Err(); err != nil {
		return fmt.Errorf("sqlitestore: %s: %w", o.what, err)
	}
	o.turn = make(chan bool, 1)
	w.mu.Lock()
	if err := w.refuse; err != nil {
		w.mu.Unlock()
		return fmt.Errorf("sqlitestore: %s: %w", o.what, err)
	}
	w.queue = append(w.queue, o)
	lead := !w.busy
	w.busy = true
	w.mu.Unlock()

	if !lead {
		select {
		case lead = <-o.turn:
		case <-o.ctx.Done():
			if w.leave(o) {
				return fmt.Errorf("sqlitestore: %s: %w", o.what, o.ctx.Err())
			}
			lead = <-o.turn // its short commit is under way, or it was appointed and others wait for it
		}
	}
	if lead {
		w.lead(o)
	}
	if o.err != nil && !refused(o.err) {
		return fmt.Errorf("sqlitestore: %s: %w", o.what, o.err)
	}
	return o.err
}

// leave removes the op from the queue, and reports whether it could. An op in a group stays,
// because its writes may be committed. An appointed one stays, because the queued callers
// wait for it to lead.
func (w *writer) leave(o *op) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.queue, o)
	if i < 0 || o.appointed {
		return false
	}
	w.queue = slices.Delete(w.queue, i, i+1)
	return true
}

// lead runs one group, in which o is the first. Whatever happens, it answers the group and
// appoints the next leader.
func (w *writer) lead(o *op) {
	err := w.turns.begin(o.ctx, func() error { return w.exec(w.stmts.begin) })
	if o.ctx.Err() != nil && err != nil { // the leader's caller left: only its op fails
		w.next(w.take(1))
		o.err = err
		return
	}
	group := w.take(maxGroupOps)
	finished := false
	defer func() {
		if !finished { // a panic: the other callers must still be answered
			err = errors.New("the group's leader panicked")
			w.undo()
			fail(group, err)
		}
		w.next(group)
	}()
	if err == nil {
		err = w.run(&group)
	} else {
		err = fmt.Errorf("begin: %w", err)
	}
	if err != nil {
		err = w.health.saw(err)
		w.health.Ended(err)
		fail(group, err)
	}
	finished = true
}

// take removes the next group from the queue: at least the head, and at most most ops.
func (w *writer) take(most int) []*op {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, weight, bytes := 1, w.queue[0].weight, w.queue[0].bytes
	for ; n < min(most, len(w.queue)); n++ {
		weight += w.queue[n].weight
		bytes += w.queue[n].bytes
		if weight > maxGroupWeight || bytes > maxGroupBytes {
			break
		}
	}
	group := slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	return group
}

// next appoints the next leader, or marks the writer idle, and then answers the group. The
// first op of the group is the leader's own and needs no answer.
func (w *writer) next(group []*op) {
	w.mu.Lock()
	if len(w.queue) > 0 {
		w.queue[0].appointed = true
		w.queue[0].turn <- true
	} else {
		w.busy = false
		w.idle.Broadcast()
	}
	w.mu.Unlock()
	for _, o := range group[1:] {
		o.turn <- false
	}
}

// putBack puts ops that did not run at the head of the queue.
func (w *writer) putBack(ops []*op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = slices.Insert(w.queue, 0, ops...)
}

// run executes the group in the begun transaction, and ends the transaction. On an error
// none of the group is stored; after an error of the commit itself the outcome is unknown.
// When it has run for w.longest, it puts the rest of the group back.
func (w *writer) run(group *[]*op) error {
	tx, began := &tx{statements: w.stmts, names: w.names}, time.Now()
	alone := len(*group) == 1
	for i, o := range *group {
		if i > 0 && time.Since(began) > w.longest {
			w.putBack((*group)[i:])
			*group = (*group)[:i]
			break
		}
		if o.err = o.ctx.Err(); o.err != nil {
			continue
		}
		if err := w.runOne(tx, o, alone); err != nil {
			w.undo()
			return fmt.Errorf("%s: %w", o.what, err)
		}
		if alone && o.undo && o.err != nil { // it was refused
			w.undo()
			return nil
		}
	}
	// SQLite would keep writing to files that were removed, and the commit would be gone with
	// them. The check is cheap compared with the commit.
	if err := w.files.present(); err != nil {
		w.undo()
		return err
	}
	w.own.add(tx.revs)
	if err := w.exec(w.stmts.commit); err != nil {
		w.own.drop(tx.revs)
		w.undo()
		return fmt.Errorf("commit: %w", err)
	}
	if w.changed() { // an empty commit writes nothing, so it shows nothing
		w.health.Ended(nil)
	}
	w.names.remember(tx.fresh)
	w.mu.Lock()
	lost := w.afterCommit
	w.mu.Unlock()
	if lost != nil {
		return lost()
	}
	return nil
}

// undo rolls the transaction back. An error is ignored: SQLite may have done so itself.
func (w *writer) undo() {
	_ = w.exec(w.stmts.rollback)
	w.changed() // the undone changes must not count for the next commit
}

// changed reports whether rows changed since it was last called.
func (w *writer) changed() bool {
	before := w.changes
	err := w.stmts.changes.QueryRowContext(context.Background()).Scan(&w.changes)
	return err == nil && w.changes != before
}

// runOne executes one op. It returns an error only if the whole group must fail. A refused
// op is undone alone, and o.err says why. If it is the only one of its group, that is for
// the caller to do: it needs no savepoint, for which SQLite would copy every page that the
// op changes.
func (w *writer) runOne(tx *tx, o *op, alone bool) error {
	if !o.undo || alone {
		if o.err = o.run(tx); o.err != nil && !refused(o.err) {
			return o.err
		}
		return nil
	}
	if err := w.exec(w.stmts.savepoint); err != nil {
		return err
	}
	fresh, revs := len(tx.fresh), tx.revs
	if o.err = o.run(tx); o.err != nil {
		if !refused(o.err) {
			return o.err
		}
		tx.fresh, tx.revs = tx.fresh[:fresh], revs
		if err := w.exec(w.stmts.undo); err != nil {
			return err
		}
	}
	return w.exec(w.stmts.release)
}

// fail sets the error of every op in the group, except those whose context had ended before
// they ran.
func fail(group []*op, err error) {
	for _, o := range group {
		if o.err == nil || o.ctx.Err() == nil || !errors.Is(o.err, o.ctx.Err()) {
			o.err = err
		}
	}
}

// refused reports whether the error is the op's own decision, such as a conflict, and not a
// failure of SQLite.
func refused(err error) bool {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return true
	}
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

// exec runs a statement of the writer. Many callers share the transaction, so no caller's
// context may end it.
func (w *writer) exec(s *sql.Stmt) error {
	_, err := s.ExecContext(context.Background())
	return err
}

// change runs a statement with arguments, and returns the number of changed rows.
func change(s *sql.Stmt, args ...any) (int, error) {
	r, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}
