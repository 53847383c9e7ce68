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

// A group is as large as keeps its commit short.
const (
	maxGroupOps    = 1024
	maxGroupWeight = 4096     // rows, about
	maxGroupBytes  = 32 << 20 // of bodies
	// longestGroup bounds how long a group runs before its commit, on a slow machine
	// too: another process may wait for the file. What is left of it goes next.
	longestGroup = 100 * time.Millisecond
	// maxOpWeight is the weight at which work that need not be one commit is divided
	// into several ops.
	maxOpWeight = 512
)

// op is one caller's write. Everything that can be done outside the
// transaction, encoding above all, is done before.
type op struct {
	ctx    context.Context
	what   string // for errors
	weight int    // rows, about
	bytes  int
	// undo: run may write something and refuse after that.
	undo bool
	// run writes. An error that is refused undoes this op only; any other
	// undoes the group.
	run func(tx *tx) error

	err       error
	turn      chan bool // true: lead the next group. false: answered
	appointed bool      // true was sent on turn
}

// writer has the one connection that writes. A caller that finds it idle leads: it
// begins a transaction, runs the writes that queued up by then, commits, answers the
// other callers, and appoints the next leader if more queued up meanwhile.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts statements
	names *names
	turns *turns

	longest time.Duration // a group runs
	health  *health
	files   files
	changes int // rows changed on this connection, as of the last group

	mu     sync.Mutex
	idle   *sync.Cond // signalled when busy becomes false
	queue  []*op
	busy   bool
	closed bool
	// afterCommit stands for an answer lost after the commit. Tests only.
	afterCommit func() error
}

// tx is the transaction of a group, for the ops in it.
type tx struct {
	statements
	names *names
	fresh []name // numbered in this transaction
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
		// From here on it waits for other processes by itself, ready to leave.
		_, err = w.conn.ExecContext(ctx, "PRAGMA busy_timeout = 0")
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	for w.busy {
		w.idle.Wait()
	}
	w.mu.Unlock()
	return errors.Join(w.fold(), w.conn.Close(), w.db.Close())
}

// fold moves the log into the file, which then is complete without it. SQLite does
// that itself with the last connection to close, but not while a statement is
// prepared, and database/sql leaves those of a *sql.Conn to their owner. Another process
// that reads may keep parts of the log from being moved; its own end moves them.
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

// do runs the op in some group and returns how that went.
func (w *writer) do(o *op) error {
	if err := o.ctx.Err(); err != nil {
		return fmt.Errorf("sqlitestore: %s: %w", o.what, err)
	}
	o.turn = make(chan bool, 1)
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return fmt.Errorf("sqlitestore: %s: %w", o.what, errClosed)
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
			lead = <-o.turn // its commit is under way, and brief; or it must lead the others
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

// leave takes the op out of the queue if nobody depends on it there.
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

// lead runs one group, in which the op is the first.
func (w *writer) lead(o *op) {
	err := w.turns.begin(o.ctx, func() error { return w.exec(w.stmts.begin) })
	if o.ctx.Err() != nil && err != nil { // only this op gives up
		w.next(w.take(1))
		o.err = err
		return
	}
	group := w.take(maxGroupOps)
	finished := false
	defer func() {
		if !finished { // a panic: nobody may wait for ever
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

// take removes the next group from the queue: its head, and at most so many.
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

// next hands the writer over, then answers the group that is done. Its first
// is the leader, who knows.
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

// run executes the group in the transaction begun, and ends that. On an error
// none of the group is stored, unless it is the commit's: then nobody knows. It cuts
// the group short if that has run for w.longest.
func (w *writer) run(group *[]*op) error {
	tx, began := &tx{statements: w.stmts, names: w.names}, time.Now()
	for i, o := range *group {
		if i > 0 && time.Since(began) > w.longest {
			w.putBack((*group)[i:])
			*group = (*group)[:i]
			break
		}
		if o.err = o.ctx.Err(); o.err != nil {
			continue
		}
		if err := w.runOne(tx, o); err != nil {
			w.undo()
			return fmt.Errorf("%s: %w", o.what, err)
		}
	}
	if err := w.files.there(); err != nil { // it costs little beside the commit
		w.undo()
		return err
	}
	if err := w.exec(w.stmts.commit); err != nil {
		w.undo()
		return fmt.Errorf("commit: %w", err)
	}
	if w.changed() { // a commit of nothing reaches no disk, and shows nothing
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

// undo ends the transaction; it fails if SQLite already did that.
func (w *writer) undo() {
	_ = w.exec(w.stmts.rollback)
	w.changed() // what was undone counts for no later commit
}

// changed reports whether rows changed since it was last called.
func (w *writer) changed() bool {
	before := w.changes
	err := w.stmts.changes.QueryRowContext(context.Background()).Scan(&w.changes)
	return err == nil && w.changes != before
}

// runOne returns an error if the transaction cannot go on.
func (w *writer) runOne(tx *tx, o *op) error {
	if !o.undo {
		if o.err = o.run(tx); o.err != nil && !refused(o.err) {
			return o.err
		}
		return nil
	}
	if err := w.exec(w.stmts.savepoint); err != nil {
		return err
	}
	fresh := len(tx.fresh)
	if o.err = o.run(tx); o.err != nil {
		if !refused(o.err) {
			return o.err
		}
		tx.fresh = tx.fresh[:fresh]
		if err := w.exec(w.stmts.undo); err != nil {
			return err
		}
	}
	return w.exec(w.stmts.release)
}

// fail answers the group with the error, except those that left in time.
func fail(group []*op, err error) {
	for _, o := range group {
		if o.err == nil || o.ctx.Err() == nil || !errors.Is(o.err, o.ctx.Err()) {
			o.err = err
		}
	}
}

// refused says that the op decided against itself, knowing why.
func refused(err error) bool {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return true
	}
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

// exec runs a statement of the writer's. The transaction is many callers', so
// no single one's context can end it.
func (w *writer) exec(s *sql.Stmt) error {
	_, err := s.ExecContext(context.Background())
	return err
}

// change is exec with arguments; it returns how many rows changed.
func change(s *sql.Stmt, args ...any) (int, error) {
	r, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}
