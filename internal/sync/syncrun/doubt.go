package syncrun

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/source"
)

// What a pull and a push make of a row while it is not known what became of a change.
// The row can have what both sides agreed on last, or anything that was sent since. Each
// later change names the fields of the earlier ones as well, so that a row never has a
// mixture of two of them.

// says reports whether this is what the change set the field to.
func (c *sentChange) says(field string, v any, has bool) bool {
	if !has {
		return slices.Contains(c.Removed, field)
	}
	text, err := record.Canonical(v)
	if err != nil {
		return false
	}
	if d, ok := c.Digests[field]; ok {
		return d == digestOfValue(text)
	}
	ours, ok := c.values()[field]
	if !ok {
		return false
	}
	mine, err := record.Canonical(ours)
	return err == nil && string(mine) == string(text)
}

func (c *sentChange) values() map[string]any {
	if c.Data == nil {
		return nil
	}
	values, err := record.Decode(c.Data)
	if err != nil {
		return nil
	}
	return values
}

// names returns the fields that the changes set.
func names(changes []*sentChange) []string {
	var out []string
	for _, c := range changes {
		out = slices.Concat(out, slices.Collect(maps.Keys(c.values())), slices.Collect(maps.Keys(c.Digests)), c.Removed)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// agreed returns the base with the fields in which the row has what we sent, for these
// are no change by the source. And it returns the changes whose outcome the row shows. A
// row that is as before shows nothing: a request can still be on its way.
func agreed(base, theirs map[string]any, sent []*sentChange, fields []string) (map[string]any, []*sentChange) {
	out := maps.Clone(base)
	if out == nil {
		out = make(map[string]any)
	}
	set, shows := names(sent), false
	for _, d := range record.Diff(base, theirs, fields) {
		shows = shows || slices.Contains(set, d.Field)
		if !slices.ContainsFunc(sent, func(c *sentChange) bool { return c.says(d.Field, d.New, d.Has) }) {
			continue
		}
		if d.Has {
			out[d.Field] = d.New
		} else {
			delete(out, d.Field)
		}
	}
	if !shows {
		return out, nil
	}
	for i, c := range slices.Backward(sent) {
		if c.shownBy(theirs) {
			return out, sent[:i+1]
		}
	}
	return out, sent
}

// shownBy reports whether the row has all that the change set.
func (c *sentChange) shownBy(row map[string]any) bool {
	return !c.Deleted && !slices.ContainsFunc(names([]*sentChange{c}), func(f string) bool {
		v, has := row[f]
		return !c.says(f, v, has)
	})
}

// over returns the base as it is if the change was written; false if only digests are
// known of it.
func (c *sentChange) over(base map[string]any) (map[string]any, bool) {
	if c.Deleted || len(c.Digests) > 0 {
		return nil, false
	}
	out := maps.Clone(base)
	maps.Copy(out, c.values())
	for _, f := range c.Removed {
		delete(out, f)
	}
	return out, true
}

func deletedByUs(sent []*sentChange) bool {
	return slices.ContainsFunc(sent, func(c *sentChange) bool { return c.Deleted })
}

// unsettled returns the fields that the source may have otherwise than the record.
func (p *pusher) unsettled(base, ours map[string]any, sent []*sentChange) []string {
	var out []string
	for _, d := range record.Diff(base, ours, p.fields) {
		out = append(out, d.Field)
	}
	doubted := names(sent)
	if deletedByUs(sent) { // is the row there at all?
		for _, f := range sortedKeys(ours) {
			if !slices.Contains(p.spec.Key, f) {
				doubted = append(doubted, f)
			}
		}
	}
	for _, f := range doubted {
		if !slices.Contains(out, f) && (p.fields == nil || slices.Contains(p.fields, f)) {
			out = append(out, f)
		}
	}
	return out
}

// deliver pushes the batch. A row that is not as both sides last agreed may have what an
// earlier push left there unanswered: each of these is tried, the latest first. There are
// as many results as changes, unless an error says that nothing is known of any.
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
				base, ok = o.doubts[len(o.doubts)-n].over(base)
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
	return results, err
}

// deleteAgain finds out about rows that are not there for an update because we may have
// deleted them ourselves, before somebody wrote the record anew. To delete such a row
// again is harmless. Then it is surely gone, and the next push makes it anew.
func (p *pusher) deleteAgain(ctx context.Context, batch []*outgoing, results []source.Result) error {
	var at []int
	var again []source.Change
	for i, o := range batch {
		base, ok := o.base()
		if !ok || o.change.Op != source.Update || !errors.Is(results[i].Err, source.ErrMoved) || !deletedByUs(o.doubts) {
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

// pushed is the source's Push, with as many results as changes, or none and an error.
func (p *pusher) pushed(ctx context.Context, changes []source.Change) ([]source.Result, error) {
	results, err := p.source.Push(ctx, p.spec, changes)
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
