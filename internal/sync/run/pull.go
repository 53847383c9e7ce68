package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
)

// puller works on a pull step.
type puller struct {
	e       *execution
	docs    store.Docs
	def     *definition.Sync
	run     *Run
	step    *Step
	mapper  *mapping.Mapper
	planner plan.Planner

	records   *Records
	rejects   *rejectList
	conflicts *Conflicts
	sent      *SentLog // the planner has it, too

	// fresh says that there were no records when the step began, and that nobody else
	// has written any: then they need not be read before they are created.
	fresh    bool
	aliased  bool            // some records have aliases
	retry    *retryReader    // where the rows come from if they are rejects; nil: the source
	again    chan struct{}   // lets the reader repeat a page after a pause
	digests  *digests        // nil for a pull that does not read everything
	absent   *absence        // nil where a missing row means nothing
	doubting source.Doubting // the reader, if it can find out that it missed rows
	deletes  int64           // records deleted since a pull last ended well
	before   int64           // those of them that earlier runs deleted
	count    int             // of records, when the step began

	spelling mapping.Spelling // as the pages so far showed it; nil: nothing new
}

// mapped is a page with its rows mapped.
type mapped struct {
	source.Page
	items   []mapping.Mapped
	rejects []source.Reject // of the source and of the mapping
	retried []string        // ids of the rejects that the rows were
	read    int64
	digest  digest
	// spelling has the forms of values if the page has a new one; nil otherwise.
	spelling mapping.Spelling
	err      error // io.EOF after the last page
}

// pull works on a pull step: it reads the source's pages and applies them one by one.
//
// Only a whole pull, which reads everything from the beginning in one go, can compare its
// pages with those of the last one, or tell which rows are missing. One that reads from a
// cursor sees changed rows only, and one that was handed on has seen a part.
func (e *execution) pull(ctx context.Context, step *Step, m *mapping.Mapper) error {
	docs := e.svc.docs
	p := &puller{
		e: e, docs: docs, def: e.def, run: e.run, step: step, mapper: m,
		planner: plan.Planner{Sync: e.def.ID, Fields: m.Fields(), Rule: e.def.ConflictRule()},
		records: NewRecords(docs, e.def, step.Datatype), rejects: newRejectList(docs, e.def.ID), conflicts: NewConflicts(docs, e.def),
	}
	known := e.lease.current().datatype(step.Datatype)
	if step.Resume == nil { // otherwise its pages are those of the cursor that the pull began with
		step.CursorBefore = known.pullFrom(e.svc.clock())
		if first, _ := e.def.FirstCursor(); known.Cursor == (source.Cursor{}) && m.Spec().CursorTime != "" {
			step.CursorBefore.Time = first
		}
	}
	p.deletes, p.before = known.Deleted, known.Deleted-step.Counts.Deleted
	whole := m.Spec().CursorTime == "" && step.Resume == nil && !e.run.Retry
	if err := p.prepare(ctx, known, whole); err != nil {
		return err
	}
	reader, err := p.open(ctx)
	if err != nil {
		return err
	}
	if zoned, ok := reader.(source.Zoned); ok {
		m.InZone(zoned.Zone())
	}
	if headed, ok := reader.(source.Headed); ok {
		p.warnColumns(headed.Headings())
	}
	p.doubting, _ = reader.(source.Doubting)
	reading, stop := context.WithCancel(ctx)
	pages := make(chan *mapped, 1)
	p.again = make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read(reading, reader, pages)
	}()
	err = p.pages(ctx, pages)
	stop()
	<-done
	return errors.Join(err, reader.Close())
}

func (p *puller) open(ctx context.Context) (source.Reader, error) {
	if p.run.Retry {
		p.retry = &retryReader{rejects: p.rejects, datatype: p.step.Datatype, size: min(200, p.pageSize())}
		if p.step.Resume != nil {
			return p.retry, json.Unmarshal(p.step.Resume, &p.retry.after)
		}
		return p.retry, nil
	}
	spec := p.mapper.Spec()
	spec.Known = p.e.lease.current().datatype(p.step.Datatype).Columns
	return p.e.source.Pull(ctx, source.Pull{Spec: spec, Cursor: p.step.CursorBefore, Resume: p.step.Resume, PageSize: p.pageSize()})
}

// pageSize returns a size with which a page and its checkpoint fit in one commit.
func (p *puller) pageSize() int { return min(pageSize, p.docs.Limits().MaxCommit-commitReserve) }

// commitReserve is left in a commit for the run, the state and the like.
const commitReserve = 10

// maxCount is the most records that are counted.
const maxCount = 1_000_000

func (p *puller) prepare(ctx context.Context, known *typeState, whole bool) (err error) {
	if p.count, err = p.docs.CountDocs(ctx, p.records.collection, maxCount); err != nil {
		return err
	}
	p.fresh = p.count == 0
	if p.sent, err = ReadSent(ctx, p.docs, p.def.ID, p.step.Datatype); err != nil {
		return err
	}
	p.planner.Sent = p.sent.Of
	if err := p.learnKeys(ctx); err != nil {
		return err
	}
	n, err := p.docs.CountDocs(ctx, p.records.aliases, 1)
	if err != nil {
		return err
	}
	p.aliased = n > 0
	if err := p.rejects.load(ctx); err != nil {
		return err
	}
	if err := p.conflicts.load(ctx); err != nil {
		return err
	}
	if whole {
		p.digests, err = readDigests(ctx, p.docs, p.def.ID, p.step.Datatype, known.Digests)
		if p.mapper.DeleteMissing() {
			p.absent = newAbsence()
		}
	} else if p.mapper.DeleteMissing() && !p.run.Retry {
		p.run.warn(fmt.Sprintf("%s: the pull was not read in one go, so it is unknown which rows are missing: no record was deleted for that", p.step.Datatype))
	}
	return err
}

// read maps the source's pages as they come, one page ahead of the one that is applied:
// the source and the store work at the same time.
func (p *puller) read(ctx context.Context, reader source.Reader, pages chan<- *mapped) {
	defer close(pages)
	for {
		var m *mapped
		err := p.e.safely(func() error {
			page, err := reader.Next(ctx)
			if err == nil {
				m, err = p.mapPage(ctx, page)
			}
			return err
		})
		if err != nil {
			m = &mapped{err: err}
		}
		select {
		case pages <- m:
		case <-ctx.Done():
			return
		}
		if err == nil {
			continue
		}
		if fault.Asked(err) == 0 {
			return
		}
		select { // the run waits, and then the page is read again
		case <-p.again:
		case <-ctx.Done():
			return
		}
	}
}

func (p *puller) mapPage(ctx context.Context, page source.Page) (*mapped, error) {
	m := &mapped{Page: page, items: make([]mapping.Mapped, 0, len(page.Rows)), rejects: page.Rejects}
	m.read = int64(len(page.Rows) + len(page.Rejects))
	for _, row := range page.Rows {
		item, reject := p.mapper.Map(row)
		if reject != nil {
			m.rejects = append(m.rejects, *reject)
			continue
		}
		m.items = append(m.items, item)
	}
	if err := p.unknown(ctx, m); err != nil {
		return nil, err
	}
	if p.retry != nil {
		m.retried = p.retry.ids
	}
	m.Rows = nil // the reader uses them again
	m.spelling = p.mapper.Spelling()
	if len(m.rejects) == 0 {
		m.digest = digestOf(m.items)
	}
	return m, nil
}

func (p *puller) pages(ctx context.Context, pages <-chan *mapped) error {
	var last source.Cursor
	lastCheckpoint := p.e.svc.now()
	// save makes a checkpoint of a page that had none, at most once a second.
	save := func(now bool) error {
		if !now && p.e.svc.now().Sub(lastCheckpoint) <= time.Second {
			return nil
		}
		lastCheckpoint = p.e.svc.now()
		return p.e.checkpoint(ctx, nil, nil)
	}
	for m := range pages {
		if errors.Is(m.err, io.EOF) {
			return p.conclude(ctx, last)
		}
		if m.err != nil {
			if err := p.e.await(ctx, p.step, m.err); err != nil {
				return err
			}
			p.again <- struct{}{}
			continue
		}
		p.step.Waits = 0
		last = m.Cursor
		p.step.Counts.Read += m.read
		p.step.Counts.Rejected += int64(len(m.rejects))
		p.step.Progress = Progress{Done: m.Done, Total: m.Total, Unit: cmp.Or(m.Unit, source.Rows)}
		p.absent.saw(m)
		if m.spelling != nil {
			p.spelling = m.spelling
		}
		if p.digests.same(m.digest) {
			// Nothing is written, so nothing needs a commit. Now and then there is one
			// anyway: it shows progress, and it notices a cancellation.
			p.step.Counts.Unchanged += int64(len(m.items))
			p.step.Resume = m.Resume
			if !p.e.dry() {
				if err := save(false); err != nil {
					return err
				}
			}
		} else {
			if err := p.apply(ctx, m); err != nil {
				return err
			}
			if p.step.Resume = m.Resume; !p.e.dry() {
				lastCheckpoint = p.e.svc.now() // the commit of the page was one
			}
		}
		if err := p.e.checkRejected(p.step); err != nil {
			return err
		}
		err := p.e.pause(ctx)
		if p.e.dry() {
			// A validation writes nothing else that could keep the place to continue from.
			if err := save(errors.Is(err, errHandOn)); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// conclude ends the step: records whose rows are missing are deleted, and the cursor
// moves. It moves only now: a run that dies before reads those rows again.
func (p *puller) conclude(ctx context.Context, last source.Cursor) error {
	if p.absent != nil {
		if err := p.deleteAbsent(ctx); err != nil {
			return err
		}
	}
	if err := p.e.checkRejected(p.step); err != nil {
		return err
	}
	step := p.step
	step.State, step.Resume = Finished, nil
	if step.Progress.Total > 0 {
		step.Progress.Done = step.Progress.Total
	}
	if last == (source.Cursor{}) && step.CursorBefore != last {
		last = p.e.lease.current().datatype(step.Datatype).Cursor // there were no rows: it stays where it is
	}
	step.CursorAfter = last
	p.warnCursor()
	if p.e.dry() {
		step.Message = validated(step)
		return p.e.checkpoint(ctx, nil, nil)
	}
	writes, generation := p.digests.write(p.def.ID, step.Datatype)
	return p.e.checkpoint(ctx, writes, func(st *syncState) {
		t := st.datatype(step.Datatype)
		p.noteSpelling(t)
		if !p.run.Retry {
			t.found(p.mapper.Found(), p.mapper.Spec().Mapped)
			t.pulled(last)
			t.Deleted = 0
		}
		if p.digests != nil {
			t.Digests = generation
		}
	})
}

// warnCursor tells people if the cursor does not do what they want it for: rows whose time
// cannot be read come with every pull, and to the rule newest they are the older ones.
func (p *puller) warnCursor() {
	c, column := p.mapper.Cursors(), p.mapper.Spec().CursorTime
	switch {
	case c.Unread > 0:
		p.run.warn(fmt.Sprintf("%s: %d of %d rows have no time that can be read in the cursor's column %s, such as %s, and come with every pull: "+
			"write it like 2006-01-02T15:04:05Z, or map the column to a field of the type time with its format",
			p.step.Datatype, c.Unread, c.Rows, column, c.Example))
	case c.Empty > 0 && c.Empty == c.Rows:
		p.run.warn(fmt.Sprintf("%s: no row has a value in the cursor's column %s, so every pull reads all rows", p.step.Datatype, column))
	}
}

// warnColumns tells people of columns that the mapping reads and the source does not have.
// Most likely they are misspelt, and without a word every record would lack those fields.
func (p *puller) warnColumns(headings []string) {
	if lacking := p.mapper.Spec().Lacking(headings); len(lacking) > 0 {
		p.run.warn(fmt.Sprintf("%s: the mapping reads %q, and the source has no such column: its columns are %q", p.step.Datatype, lacking, headings))
	}
}

// noteSpelling notes the forms that the pages so far showed.
func (p *puller) noteSpelling(t *typeState) {
	if p.spelling != nil {
		t.Spelling = p.spelling
	}
}

// validated reports a validation in OurWater's words.
func validated(step *Step) string {
	return fmt.Sprintf("Validated %d %ss.", step.Counts.Read-step.Counts.Rejected, step.Datatype)
}
