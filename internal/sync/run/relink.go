package run

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// Relinking reports what Relink did, or would do.
type Relinking struct {
	SyncID string `json:"syncId"`
	// Stored reports whether it was done; otherwise nothing was stored.
	Stored    bool                   `json:"stored"`
	Datatypes map[string]*RelinkType `json:"datatypes"`
}

// RelinkType reports what Relink does to the records of a datatype. Each list has some examples.
type RelinkType struct {
	From []string `json:"from"` // the key's columns until now
	To   []string `json:"to"`
	Rows int      `json:"rows"`
	// Rejected counts rows that the next pull will reject. A record keeps such a row if the
	// row has a new key; otherwise Relink refuses.
	Rejected int `json:"rejected"`
	// Linked counts the records that keep their rows, by the new key.
	Linked         int          `json:"linked"`
	LinkedExamples []LinkedPair `json:"linkedExamples"`
	// Without counts the rows that have no record: the next pull makes one of each.
	Without         int      `json:"rowsWithoutRecord"`
	WithoutExamples []string `json:"rowsWithoutRecordExamples"`
	// Unlinked counts the records that have no row. They stay, and a push makes rows of them.
	Unlinked         int      `json:"recordsWithoutRow"`
	UnlinkedExamples []string `json:"recordsWithoutRowExamples"`
}

// LinkedPair is a record and the new key of its row.
type LinkedPair struct {
	ID  string `json:"id"`
	Key string `json:"key"`
}

const (
	relinkExamples = 20
	relinkPart     = 200 // records of a commit
)

// relinker works on one datatype.
type relinker struct {
	svc     *Service
	def     *definition.Sync
	records *Records
	out     *RelinkType
	keys    *rowKeys
	resumed bool // an earlier call was cut off: a link may be new already

	keyless   int // records whose rows have no new key
	keylessID string
	blind     *source.Reject // the first row of which not even the keys can be read
}

// Relink links the records of a sync to their rows anew, after its key was changed or its id
// used for another source. A row is the one of a record if the columns of the old key have
// the old key's values. Unless confirmed, it stores nothing. Conflict: there is nothing to
// link anew, a run is at work, or a row or a record could be either of two. TooLarge: the
// budget of runs has not enough memory for the keys of all rows. It is a conflict, too, if a
// record's row has no new key: without its link the record would get a second row.
//
// The links are many commits. Until the last one no run starts, and a second call finishes
// what one that was cut off began: no new key is another row's or record's old one, so that
// a link shows by itself whether it is done.
func (s *Service) Relink(ctx context.Context, id string, confirmed bool) (*Relinking, error) {
	d, err := s.defs.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	def := &d.Sync
	now, was, err := s.linksOf(ctx, def)
	if err != nil {
		return nil, err
	}
	st, err := s.ledger.readState(ctx, id)
	if err != nil {
		return nil, err
	}
	types := relinkTypes(def, s.kinds, was, now)
	switch {
	case st.Lease.live(s.clock()) && st.Lease.RunID != "":
		return nil, fault.New(fault.Conflict, "run %s is at work: cancel it, or wait for its end", st.Lease.RunID)
	case len(types) == 0:
		return nil, fault.New(fault.Conflict, "the records of sync %q are linked to the rows that its definition means: there is nothing to link anew", id)
	case was.Next != nil && !was.Next.means(now):
		return nil, errHalfLinked(id)
	}
	hold := s.o.Memory.Hold()
	defer hold.Release()
	if err := hold.Resize(ctx, relinkMemory); err != nil {
		return nil, err
	}
	out := &Relinking{SyncID: id, Datatypes: map[string]*RelinkType{}}
	var all []*relinker
	for _, t := range types {
		r := &relinker{svc: s, def: def, records: NewRecords(s.docs, def, t), keys: newRowKeys(hold), resumed: was.Next != nil,
			out: &RelinkType{From: was.Keys[t], To: now.Keys[t], LinkedExamples: []LinkedPair{}, WithoutExamples: []string{}, UnlinkedExamples: []string{}}}
		if err := r.read(ctx, t); err != nil {
			return nil, err
		}
		if err := r.each(ctx, nil); err != nil {
			return nil, err
		}
		out.Datatypes[t], all = r.out, append(all, r)
	}
	if !confirmed {
		return out, nil
	}
	out.Stored = true
	return out, s.storeLinks(ctx, id, st, was, now, all)
}

// storeLinks commits the links. Each commit is conditional on the sync's state, which a
// run that starts would change.
func (s *Service) storeLinks(ctx context.Context, id string, st *syncState, was, now *linked, all []*relinker) error {
	commit := func(writes ...store.Write) error {
		revs, err := s.docs.Commit(ctx, append(writes, st.write(id)))
		if errors.Is(err, store.ErrConflict) {
			return fault.Wrap(fault.Conflict, err, "a record or the sync changed meanwhile: link them anew once more")
		}
		if err == nil {
			st.rev = revs[len(revs)-1]
			if l := writes[0]; l.Collection == linkedRows {
				was.rev = revs[0]
			}
		}
		return err
	}
	if was.Next == nil {
		was.Next = now
		if err := commit(was.write(id)); err != nil {
			return err
		}
	}
	for _, r := range all {
		if err := r.each(ctx, commit); err != nil {
			return err
		}
	}
	for _, t := range st.Types { // the next run looks at every row and every record
		t.Cursor, t.CursorBefore, t.Digests, t.Pushed, t.PushedBefore = source.Cursor{}, source.Cursor{}, "", 0, 0
	}
	now.rev = was.rev
	return commit(now.write(id))
}

// relinkTypes returns the datatypes whose records are linked to other rows, sorted.
func relinkTypes(def *definition.Sync, kinds source.Registry, was, now *linked) (out []string) {
	if was == nil || was.OrgID != now.OrgID {
		return nil
	}
	for _, t := range slices.Sorted(maps.Keys(was.Keys)) {
		if slices.Contains(def.Datatypes(kinds), t) && (was.Next != nil || !slices.Equal(was.Keys[t], now.Keys[t]) || was.Deleted && was.Place != now.Place) {
			out = append(out, t)
		}
	}
	return out
}

// means reports whether the two mean the same rows.
func (l *linked) means(other *linked) bool {
	return l.OrgID == other.OrgID && l.Place == other.Place && reflect.DeepEqual(l.Keys, other.Keys)
}

func errHalfLinked(id string) error {
	return fault.New(fault.Conflict, "the records of sync %q were being linked anew, and that did not end: relink it with the definition that it had then", id)
}

// each looks at all records. Without commit it counts; with it, it stores their links.
func (r *relinker) each(ctx context.Context, commit func(...store.Write) error) error {
	listing := store.Listing{Collection: r.records.collection, Limit: relinkPart, Bytes: source.PageBytes}
	for {
		page, err := r.svc.docs.List(ctx, listing)
		if err != nil {
			return err
		}
		var writes []store.Write
		for _, d := range page {
			listing.After.ID = d.ID
			rec, err := parseRecord(d)
			if err != nil {
				return err
			}
			link, known := rec.Link(r.def.ID)
			if !known || link.Gone {
				continue
			}
			key, err := r.rowOf(rec.ID, link.Key)
			if err != nil {
				return err
			}
			if commit == nil {
				r.count(rec.ID, key)
			} else {
				writes = append(writes, r.link(rec, link, key)...)
			}
		}
		if err := r.keys.take(ctx); err != nil {
			return err
		}
		for part := range slices.Chunk(writes, r.svc.docs.Limits().MaxCommit-commitReserve) {
			if err := commit(part...); err != nil {
				return err
			}
		}
		if listing.Over(page) {
			break
		}
	}
	if commit == nil {
		r.out.Without, r.out.WithoutExamples = r.keys.without()
		return r.certain()
	}
	return nil
}

// certain refuses to take a link from a record whose row may be there: a push would make a
// second row.
func (r *relinker) certain() error {
	switch {
	case r.keyless > 0:
		return fault.New(fault.Conflict, "the rows of some records have no new key in the columns %q (%d, such as that of %q): correct these rows, or take another key", r.out.To, r.keyless, r.keylessID)
	case r.blind != nil && r.out.Unlinked > 0:
		return fault.New(fault.Conflict, "a row that cannot be read (%s) may be that of a record without a row, such as %q: correct the row, or delete the record, first", whereOf(r.blind), r.out.UnlinkedExamples[0])
	}
	return nil
}

// rowOf returns the new key of the row that a record's link means; "" if there is no such
// row.
func (r *relinker) rowOf(id, link string) (string, error) {
	key, old := r.keys.newOf[link]
	if !old {
		if _, there := r.keys.records[link]; !there {
			return "", nil
		}
		if !r.resumed {
			return "", fault.New(fault.Conflict, "the new key %q of a row is the old key of the record %q, whose row is not there, so a link could mean either: give the sync a new id", link, id)
		}
		key = link
	}
	if key == "" {
		if r.keyless++; r.keyless == 1 {
			r.keylessID = id
		}
		return "", nil
	}
	switch other := r.keys.records[key]; other {
	case id: // it was counted already
	case "":
		r.keys.meet(key, id)
	default:
		return "", fault.New(fault.Conflict, "the records %q and %q would be those of one row, %q", other, id, key)
	}
	return key, nil
}

func (r *relinker) count(id, key string) {
	if key == "" {
		if r.out.Unlinked++; len(r.out.UnlinkedExamples) < relinkExamples {
			r.out.UnlinkedExamples = append(r.out.UnlinkedExamples, id)
		}
		return
	}
	if r.out.Linked++; len(r.out.LinkedExamples) < relinkExamples {
		r.out.LinkedExamples = append(r.out.LinkedExamples, LinkedPair{id, key})
	}
}

// link returns the writes that replace a record's link: an alias first, so that a pull
// finds the record once its link is there.
func (r *relinker) link(rec StoredRecord, link record.Link, key string) []store.Write {
	next := rec.Clone()
	if key == "" {
		delete(next.Links, r.def.ID)
		return []store.Write{r.records.Replace(rec, next, 0)}
	}
	link.Key = key
	next.SetLink(r.def.ID, link)
	return []store.Write{r.records.alias(key, rec.ID), r.records.Replace(rec, next, 0)}
}
