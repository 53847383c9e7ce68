package syncrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// puller is the work on a pull step.
type puller struct {
	*execution
	step    *Step
	mapper  *mapping.Mapper
	planner planner
	records store.Collection
	// fresh: the collection was empty when the step began and nobody else has
	// written to it, so records need not be read before they are created.
	fresh   bool
	aliased bool // some rows have other keys than their records
	rejects rejectIDs
	// retrying is where the rows come from if they were rejected before.
	retrying *retryReader
	digests  *digests // nil where pulls are not of everything
	absent   *absence // nil where missing rows mean nothing
	deletes  int64    // since a pull last ended well
	before   int64    // of them, by earlier runs
	count    int      // of records, when the step began
}

// mapped is a page, mapped.
type mapped struct {
	source.Page
	items   []mapping.Mapped
	rejects []source.Reject // of the source and of the mapping
	retried []string        // ids of the rejects that the rows were
	read    int64
	digest  digest
	err     error // io.EOF after the last page
}

func (e *execution) pull(ctx context.Context, step *Step, m *mapping.Mapper) error {
	p := &puller{
		execution: e, step: step, mapper: m, records: store.RecordsOf(e.def.OrgID, step.Datatype),
		planner: planner{sync: e.def.ID, fields: m.Fields(), rule: e.def.rule()},
	}
	spec := m.Spec()
	st := e.h.current()
	known := st.of(step.Datatype)
	if step.Resume == nil { // else the pages are those of the cursor that the pull began with
		step.CursorBefore = known.pullFrom(e.clock())
	}
	p.deletes, p.before = known.Deleted, known.Deleted-step.Counts.Deleted
	whole := spec.CursorTime == "" && step.Resume == nil && !e.run.Retry
	if err := p.prepare(ctx, known, whole); err != nil {
		return err
	}
	reader, err := p.open(ctx)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	pages := make(chan *mapped, 1)
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
		r := &retryReader{s: p.Service, syncID: p.def.ID, datatype: p.step.Datatype, size: min(200, p.pageSize())}
		p.retrying = r
		if p.step.Resume != nil {
			return r, json.Unmarshal(p.step.Resume, &r.after)
		}
		return r, nil
	}
	return p.source.Pull(ctx, source.Pull{Spec: p.mapper.Spec(), Cursor: p.step.CursorBefore, Resume: p.step.Resume, PageSize: p.pageSize()})
}

// pageSize is so that a page and its checkpoint fit in one commit.
func (p *puller) pageSize() int { return min(pageSize, p.docs.Limits().MaxCommit-commitReserve) }

// commitReserve is for the run, the state and the like.
const commitReserve = 10

func (p *puller) prepare(ctx context.Context, known *typeState, whole bool) (err error) {
	if p.count, err = p.docs.CountDocs(ctx, p.records, 1_000_000); err != nil {
		return err
	}
	p.fresh = p.count == 0
	if p.planner.sent, err = p.readSent(ctx, p.def.ID, p.step.Datatype); err != nil {
		return err
	}
	n, err := p.docs.CountDocs(ctx, aliases(p.def.ID, p.step.Datatype), 1)
	if err != nil {
		return err
	}
	p.aliased = n > 0
	if p.rejects, err = p.rejectsOf(ctx, p.def.ID, p.step.Datatype); err != nil {
		return err
	}
	if p.def.rule() == Manual {
		if p.deleted, err = p.deletedRows(ctx, p.def.ID); err != nil {
			return err
		}
	}
	if whole {
		p.digests, err = p.readDigests(ctx, p.def.ID, p.step.Datatype, known.Digests)
		if p.mapper.DeleteMissing() {
			p.absent = newAbsence()
		}
	} else if p.mapper.DeleteMissing() && !p.run.Retry {
		p.run.warn(fmt.Sprintf("%s: the pull was not read in one go, so nobody knows which rows are missing: none was deleted for that", p.step.Datatype))
	}
	return err
}

// read maps the source's pages as they come, a page ahead of what is applied.
func (p *puller) read(ctx context.Context, reader source.Reader, pages chan<- *mapped) {
	defer close(pages)
	for {
		var m *mapped
		err := p.safely(func() error {
			page, err := reader.Next(ctx)
			if err == nil {
				m = p.mapPage(page)
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
		if err != nil {
			return
		}
	}
}

func (p *puller) mapPage(page source.Page) *mapped {
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
	if p.retrying != nil {
		m.retried = p.retrying.ids
	}
	m.Rows = nil // they are the reader's again
	if len(m.rejects) == 0 {
		m.digest = digestOf(m.items)
	}
	return m
}

func (p *puller) pages(ctx context.Context, pages <-chan *mapped) error {
	var last source.Cursor
	lastCheckpoint := p.now()
	for m := range pages {
		if errors.Is(m.err, io.EOF) {
			return p.conclude(ctx, last)
		}
		if m.err != nil {
			return m.err
		}
		last = m.Cursor
		p.step.Counts.Read += m.read
		p.step.Counts.Rejected += int64(len(m.rejects))
		p.step.Progress = Progress{Done: m.Done, Total: m.Total}
		p.absent.saw(m)
		if p.digests.same(m.digest) {
			p.step.Counts.Unchanged += int64(len(m.items))
			p.step.Resume = m.Resume
			if p.now().Sub(lastCheckpoint) > time.Second && !p.dry() {
				if err := p.checkpoint(ctx, nil, nil); err != nil {
					return err
				}
				lastCheckpoint = p.now()
			}
		} else {
			if err := p.apply(ctx, m); err != nil {
				return err
			}
			if p.step.Resume = m.Resume; !p.dry() {
				lastCheckpoint = p.now()
			}
		}
		if err := p.checkRejected(p.step); err != nil {
			return err
		}
		err := p.pause(ctx)
		if p.dry() && (errors.Is(err, errHandOn) || p.now().Sub(lastCheckpoint) > time.Second) {
			// Nothing was written that could have kept where the next invocation goes on.
			if err := p.checkpoint(ctx, nil, nil); err != nil {
				return err
			}
			lastCheckpoint = p.now()
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// conclude ends the step: what is missing is deleted, and the cursor moves.
func (p *puller) conclude(ctx context.Context, last source.Cursor) error {
	if p.absent != nil {
		if err := p.deleteAbsent(ctx); err != nil {
			return err
		}
	}
	if err := p.checkRejected(p.step); err != nil {
		return err
	}
	step := p.step
	step.State, step.Resume = Finished, nil
	if step.Progress.Total > 0 {
		step.Progress.Done = step.Progress.Total
	}
	if last == (source.Cursor{}) && step.CursorBefore != last {
		last = p.h.current().of(step.Datatype).Cursor // there were no rows: it stays where it is
	}
	step.CursorAfter = last
	if p.dry() {
		p.run.warnValidated(step)
		return p.checkpoint(ctx, nil, nil)
	}
	writes, id := p.digests.write(p.def.ID, step.Datatype)
	return p.checkpoint(ctx, writes, func(st *state) {
		t := st.of(step.Datatype)
		if !p.run.Retry {
			t.pulled(last)
			t.Deleted = 0
		}
		if p.digests != nil {
			t.Digests = id
		}
	})
}

// warnValidated says it in the words of OurWater.
func (r *Run) warnValidated(step *Step) {
	r.warn(fmt.Sprintf("Validated %d %ss.", step.Counts.Read-step.Counts.Rejected, step.Datatype))
}
