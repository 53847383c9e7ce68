package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
)

// A push meets rows of which it is unknown what an earlier push left there.

// unsettled returns the fields whose values at the source may differ from the record's.
func (p *pusher) unsettled(base, ours map[string]any, sent []*plan.SentChange) []string {
	var out []string
	for _, d := range record.Diff(base, ours, p.mapper.Fields()) {
		out = append(out, d.Field)
	}
	doubted, fields := plan.FieldsOf(sent), p.mapper.Fields()
	if plan.Deletes(sent) { // the row may be gone, and then all of it is to be sent
		for _, f := range slices.Sorted(maps.Keys(ours)) {
			if !slices.Contains(p.mapper.Spec().Key, f) {
				doubted = append(doubted, f)
			}
		}
	}
	for _, f := range doubted {
		if !slices.Contains(out, f) && (fields == nil || slices.Contains(fields, f)) {
			out = append(out, f)
		}
	}
	return out
}

// deliver pushes the batch. If a row no longer has what both sides last agreed on, it may
// have what an earlier push left there without an answer: each such change is tried as the
// condition, the latest first. There are as many results as changes, or none and an error.
func (p *pusher) deliver(ctx context.Context, batch []*outgoing) ([]source.Result, error) {
	changes := make([]source.Change, len(batch))
	for i, o := range batch {
		changes[i] = o.change
	}
	results, err := p.pushed(ctx, changes)
	for n := 1; err == nil; n++ {
		var at []int
		var again []source.Change
		for i, o := range batch {
			if !errors.Is(results[i].Err, source.ErrMoved) || n > len(o.doubts) {
				continue
			}
			base, ok := o.base()
			if ok {
				base, ok = o.doubts[len(o.doubts)-n].Over(base)
			}
			if ok {
				c := o.change
				c.Expect = p.expect(o, base)
				at, again = append(at, i), append(again, c)
			} else {
				at = append(at, -1)
			}
		}
		if len(at) == 0 {
			break
		}
		if at = slices.DeleteFunc(at, func(i int) bool { return i < 0 }); len(at) == 0 {
			continue
		}
		var more []source.Result
		if more, err = p.pushed(ctx, again); more == nil {
			more = source.Unanswered(len(again))
		}
		for k, i := range at {
			results[i] = more[k]
		}
	}
	if err == nil {
		err = p.deleteAgain(ctx, batch, results)
	}
	if err == nil {
		err = p.overwrite(ctx, batch, results)
	}
	return results, err
}

// deleteAgain settles updates of rows that we may have deleted ourselves, before somebody
// wrote the record anew. Deleting such a row again is harmless. Afterwards it is certainly
// gone, and the next push creates it.
func (p *pusher) deleteAgain(ctx context.Context, batch []*outgoing, results []source.Result) error {
	var at []int
	var again []source.Change
	for i, o := range batch {
		base, ok := o.base()
		if !ok || o.change.Op != source.Update || !errors.Is(results[i].Err, source.ErrMoved) || !plan.Deletes(o.doubts) {
			continue
		}
		was := *o
		was.change = source.Change{Op: source.Delete, ID: o.ID, Key: o.change.Key, ExternalIDs: o.ExternalIDs, Attempt: o.change.Attempt}
		was.change.Expect = p.expect(&was, base)
		at, again = append(at, i), append(again, was.change)
	}
	if len(at) == 0 {
		return nil
	}
	more, err := p.pushed(ctx, again)
	if more == nil {
		more = source.Unanswered(len(again))
	}
	for k, i := range at {
		if results[i] = more[k]; more[k].Err == nil {
			batch[i].change = again[k]
		}
	}
	return err
}

// pushed calls the source's Push. It returns as many results as changes, or none and an
// error.
func (p *pusher) pushed(ctx context.Context, changes []source.Change) ([]source.Result, error) {
	results, err := p.e.source.Push(ctx, p.mapper.PushSpec(), changes)
	switch {
	case err != nil:
		err = fmt.Errorf("push %s: %w", p.step.Datatype, err)
	case len(results) != len(changes):
		err = fmt.Errorf("push %s: %d results for %d changes", p.step.Datatype, len(results), len(changes))
	}
	if len(results) != len(changes) {
		return nil, err
	}
	return results, err
}

// base returns what both sides last agreed on.
func (o *outgoing) base() (map[string]any, bool) {
	text := o.link.Base
	if text == nil {
		text = o.Data
	}
	base, err := record.Decode(text)
	return base, err == nil
}
