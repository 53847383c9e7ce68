package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// states has one document per sync, a syncState.
var states = store.Collection{Kind: "state", Scope: "sync"}

func runsOf(syncID string) store.Collection { return store.Collection{Kind: "runs", Scope: syncID} }

// syncState holds what a sync remembers between runs, and the lease.
//
// Both are in one document for a reason. Every commit of a run is conditional on that
// document: so it is conditional on the lease, and on the cursors and digests that the
// run began with.
type syncState struct {
	Lease *lease                `json:"lease,omitempty"`
	Types map[string]*typeState `json:"types,omitempty"`
	// FinishedAt is the time at which a run last succeeded. A one-time sync is done then.
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	LastRun    string    `json:"lastRun,omitempty"`
	// Next is the id of the run that waits for the one at work to end. See queue.go.
	Next string `json:"next,omitempty"`

	rev string
}

// typeState holds what a sync remembers of a datatype.
type typeState struct {
	// Cursor is the position at which the last pull ended, and CursorBefore that of the pull
	// before it. place.go tells why there are two.
	Cursor       source.Cursor `json:"cursor,omitzero"`
	CursorBefore source.Cursor `json:"cursorBefore,omitzero"`
	// Digests names the document with the digests of the last whole pull's pages.
	// "": none hold.
	Digests string `json:"digests,omitempty"`
	// Pushed is the place in the records' order up to which the last push looked at
	// every record, and PushedBefore that of the push before it; 0: there was none.
	Pushed       int64 `json:"pushed,omitempty"`
	PushedBefore int64 `json:"pushedBefore,omitempty"`
	// Deleted counts the records, and DeletedThere the rows at the source, that were
	// deleted since a pull and a push last ended well. A run that stopped because it
	// would delete too much has deleted some already: without the counts, the next
	// run would delete as many again, and so on until all are gone.
	Deleted      int64 `json:"deleted,omitempty"`
	DeletedThere int64 `json:"deletedThere,omitempty"`
	// Doubt says that creations were sent to the source whose outcome is unknown.
	// The records' links have the attempts.
	Doubt bool `json:"doubt,omitempty"`
	// Spelling holds the forms in which pulls saw values, so that pushes write the same.
	Spelling mapping.Spelling `json:"spelling,omitempty"`
	// Columns are those that the mapping reads and that a pull has found, sorted.
	Columns []string `json:"columns,omitempty"`
}

func (s *syncState) datatype(datatype string) *typeState {
	if s.Types == nil {
		s.Types = make(map[string]*typeState)
	}
	t := s.Types[datatype]
	if t == nil {
		t = new(typeState)
		s.Types[datatype] = t
	}
	return t
}

func (s *syncState) write(id string) store.Write {
	d := store.Doc{ID: id, Body: mustJSON(s), Rev: s.rev}
	if s.Lease != nil && s.Lease.RunID != "" {
		d.Order = s.Lease.Until.UnixMicro() // so that TakeOver finds runs whose process died
	}
	return store.Write{Collection: states, Doc: d}
}

func (s *syncState) clone() *syncState {
	c := *s
	if s.Lease != nil {
		l := *s.Lease
		c.Lease = &l
	}
	c.Types = make(map[string]*typeState, len(s.Types))
	for k, v := range s.Types {
		t := *v
		c.Types[k] = &t
	}
	return &c
}

func parseState(d store.Doc) (*syncState, error) {
	st := &syncState{rev: d.Rev}
	if err := json.Unmarshal(d.Body, st); err != nil {
		return nil, fmt.Errorf("the state of sync %q: %w", d.ID, err)
	}
	return st, nil
}

// Ledger keeps what the runs of syncs remember. It implements definition.Runs.
type Ledger struct {
	docs store.Docs
	now  func() time.Time
	// Outbox takes the runs that fail because their sync was changed or deleted, if others
	// subscribe to that. nil: nobody does.
	Outbox *occurrence.Outbox
	Log    *slog.Logger // gets a line of each such run; nil: nobody reads it
	Meter  *meter.Meter // measures each such run
}

// NewLedger returns a ledger. now may be nil: time.Now.
func NewLedger(docs store.Docs, now func() time.Time) *Ledger {
	if now == nil {
		now = time.Now
	}
	return &Ledger{docs: docs, now: now}
}

// readState returns what the sync remembers; it may be nothing yet.
func (l *Ledger) readState(ctx context.Context, id string) (*syncState, error) {
	docs, err := l.docs.Get(ctx, states, []string{id})
	if err != nil {
		return nil, err
	}
	if docs[0] == nil {
		return new(syncState), nil
	}
	return parseState(*docs[0])
}

// readRun returns a run and its revision. NotFound.
func (l *Ledger) readRun(ctx context.Context, id, runID string) (*Run, string, error) {
	docs, err := l.docs.Get(ctx, runsOf(id), []string{runID})
	if err != nil {
		return nil, "", err
	}
	if docs[0] == nil {
		return nil, "", fault.New(fault.NotFound, "no run %q of sync %q", runID, id)
	}
	r, err := parseRun(*docs[0])
	return r, docs[0].Rev, err
}

func (r *Run) write(rev string) store.Write {
	return store.Write{Collection: runsOf(r.SyncID), Doc: store.Doc{
		ID: r.ID, Body: mustJSON(r), Order: r.StartedAt.UnixMicro(), Rev: rev,
	}}
}

func parseRun(doc store.Doc) (*Run, error) {
	r := new(Run)
	if err := json.Unmarshal(doc.Body, r); err != nil {
		return nil, fmt.Errorf("run %q: %w", doc.ID, err)
	}
	return r, nil
}

// Redefine implements definition.Runs.
func (l *Ledger) Redefine(ctx context.Context, id string, sameSource bool) ([]store.Write, error) {
	st, err := l.readState(ctx, id)
	if err != nil {
		return nil, err
	}
	if st.Lease.live(l.now()) {
		return nil, fault.New(fault.Conflict, "run %s is at work: change the sync when it has ended, or cancel it", st.Lease.RunID)
	}
	writes, err := l.abandon(ctx, id, st, "its process died, and the sync was changed")
	if err != nil {
		return nil, err
	}
	if !sameSource {
		st.Types, st.FinishedAt = nil, time.Time{}
	} else {
		for _, t := range st.Types {
			t.Digests = "" // of rows as the old definition mapped them
		}
	}
	if st.rev != "" {
		writes = append(writes, st.write(id))
	}
	return writes, nil
}

// Forget implements definition.Runs.
func (l *Ledger) Forget(ctx context.Context, id string) ([]store.Write, error) {
	st, err := l.readState(ctx, id)
	if err != nil {
		return nil, err
	}
	if st.Lease.live(l.now()) {
		return nil, fault.New(fault.Conflict, "run %s is at work: cancel it first", st.Lease.RunID)
	}
	writes, err := l.abandon(ctx, id, st, "its process died, and the sync was deleted")
	if err == nil && st.Lease != nil && st.Lease.RunID != "" { // it waited for the other
		more, failed := l.abandon(ctx, id, st, "the sync was deleted before the run began")
		writes, err = append(writes, more...), failed
	}
	if err == nil && st.rev != "" {
		writes = append(writes, store.Write{Collection: states, Doc: store.Doc{ID: id, Rev: st.rev}, Delete: true})
	}
	if links, failed := readLinked(ctx, l.docs, id); failed != nil {
		err = errors.Join(err, failed)
	} else if links != nil {
		links.Deleted = true
		writes = append(writes, links.write(id))
	}
	return writes, err
}

// Committed implements definition.Runs.
func (l *Ledger) Committed(ctx context.Context, writes []store.Write) {
	l.Outbox.Committed(writes)
	for _, w := range writes {
		if w.Collection.Kind != runsOf("").Kind {
			continue
		}
		if run, err := parseRun(w.Doc); err == nil && run.State.Ended() {
			measure(l.Meter, run)
			if l.Log != nil {
				logEnded(ctx, l.Log, run, nil)
			}
		}
	}
}

// abandon ends a run whose process died, so that no process takes it over: it was
// planned by the old definition. A run that waits for it gets the lease. The lease's token
// stays, because a holder of long ago must never meet its own token again.
func (l *Ledger) abandon(ctx context.Context, id string, st *syncState, why string) ([]store.Write, error) {
	if st.Lease == nil || st.Lease.RunID == "" {
		return nil, nil
	}
	run, rev, err := l.readRun(ctx, id, st.Lease.RunID)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return nil, err
	}
	st.Lease.RunID, st.Lease.Owner, st.Lease.Cancel = "", "", false
	st.promote(clockOf(l.now))
	if run == nil || run.State.Ended() {
		return nil, nil
	}
	run.Errors = append(run.Errors, why)
	run.end(Failed, clockOf(l.now))
	return append(ended(ctx, l.Outbox, run), run.write(rev)), nil
}

// clockOf returns the time at the store's precision.
func clockOf(now func() time.Time) time.Time { return now().UTC().Truncate(time.Microsecond) }

// mustJSON encodes our own types, which always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("run: encode %T: %v", v, err))
	}
	return b
}

// found adds the columns that a pull has found to those that earlier ones did. It forgets what
// the mapping no longer reads.
func (t *typeState) found(columns, mapped []string) {
	all := slices.Concat(t.Columns, columns)
	slices.Sort(all)
	t.Columns = slices.DeleteFunc(slices.Compact(all), func(c string) bool { return !slices.Contains(mapped, c) })
}
