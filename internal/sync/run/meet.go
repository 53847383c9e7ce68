package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
)

// A source finds rows by its own comparison of keys: 007 can be the row 7, and ABC the row
// abc. So a creation can meet a row that exists, under a key that no record here has as its
// id. The row's own key becomes an alias of the record, so that pulls find the record by it.
// A row belongs to one record only, and nobody's row is overwritten by a creation.

// meet returns a reject if a creation did not get its row: another record has it, or it exists
// with other values. claimed has the keys of the batch's earlier creations.
func (p *pusher) meet(ctx context.Context, o *outgoing, res source.Result, claimed map[string]string) ([]store.Write, *Rejected, error) {
	exists := errors.Is(res.Err, source.ErrExists)
	if res.Err != nil && !exists || o.change.Op != source.Create {
		return nil, nil, nil
	}
	reject, err := p.claim(ctx, o, res, claimed)
	if err != nil || reject != nil || !exists {
		return nil, reject, err
	}
	writes, reject := p.met(o, res)
	return writes, reject, nil
}

// claim returns a reject if the row that a creation made or met belongs to another record.
func (p *pusher) claim(ctx context.Context, o *outgoing, res source.Result, claimed map[string]string) (*Rejected, error) {
	if o.change.Key == nil { // Locate knows of keys that a source chose
		return nil, nil
	}
	key := p.keyOf(o, res)
	other := claimed[key]
	if key != o.ID && other == "" {
		found, err := p.records.Locate(ctx, []string{key}, true)
		if err != nil {
			return nil, err
		}
		if r := found[0]; r.Record != nil && r.ID != o.ID {
			if link, known := r.Link(p.def.ID); !r.Deleted || known && !link.Gone {
				other = r.ID
			}
		}
	}
	if other == "" || other == o.ID {
		claimed[key] = o.ID
		return nil, nil
	}
	return p.refuse(o, "", fmt.Sprintf("the source takes its key for that of the row %q, which belongs to the record %q", key, other)), nil
}

// met handles a creation whose row exists with other values. The next pull merges the two,
// and finds the record by the row's key.
func (p *pusher) met(o *outgoing, res source.Result) ([]store.Write, *Rejected) {
	p.step.Counts.Conflicts++
	reason := "the source has a row with this key already, with other values"
	if f, ok := errors.AsType[*fault.Error](res.Err); ok {
		reason += " (" + f.Message + ")"
	}
	if !p.def.Pulls() {
		return nil, p.refuse(o, "", reason+`: a push overwrites it only under the rule "store" (conflict), and a sync of the type both merges the two`)
	}
	var writes []store.Write
	if key := p.keyOf(o, res); key != o.ID {
		writes = append(writes, p.records.alias(key, o.ID))
	}
	return writes, p.refuse(o, "", reason+": the next pull that returns the row merges the two")
}

// overwrite sends creations again as updates where that overwrites nobody: the row has what
// an earlier attempt may have written, or no pull can merge it, and an earlier attempt may
// have made it or the rule prefers the record.
func (p *pusher) overwrite(ctx context.Context, batch []*outgoing, results []source.Result) error {
	var at []int
	var again []source.Change
	for i, o := range batch {
		if !errors.Is(results[i].Err, source.ErrExists) {
			continue
		}
		c := o.change
		c.Op, c.Expect = source.Update, nil
		if results[i].Key != nil {
			c.Key = results[i].Key
		}
		c.Changed = slices.DeleteFunc(slices.Sorted(maps.Keys(c.Fields)), func(name string) bool {
			return slices.Contains(p.mapper.Spec().Key, name) || name == p.mapper.Spec().CursorTime
		})
		switch doubted := len(o.doubts) > 0; {
		case !p.def.Pulls() && (doubted || p.def.ConflictRule() == definition.StoreWins):
		case !doubted:
			continue
		default:
			was, ok := o.doubts[len(o.doubts)-1].Over(map[string]any{})
			values, reject := p.mapper.Unmap(was)
			if !ok || reject != nil {
				continue
			}
			c.Expect = mapping.Pick(values, c.Changed)
		}
		at, again = append(at, i), append(again, c)
	}
	if len(again) == 0 {
		return nil
	}
	more, err := p.pushed(ctx, again)
	if more == nil {
		more = source.Unanswered(len(again))
	}
	for n, i := range at {
		key := results[i].Key
		switch {
		case more[n].Err == nil:
			results[i] = more[n]
			results[i].Key = key
		case errors.Is(more[n].Err, source.ErrMoved): // it still is somebody else's
		default:
			results[i] = more[n]
		}
	}
	return err
}

// learnKeys makes records findable under the keys that the source gave their rows, where
// the answer to a creation was lost. Otherwise a pull would take such a row for a new one.
func (p *puller) learnKeys(ctx context.Context) error {
	finder, ok := p.e.source.(source.KeyFinder)
	var ids []string
	for _, id := range p.sent.ids() {
		if !plan.Deletes(p.sent.Of(id)) {
			ids = append(ids, id)
		}
	}
	if !ok || len(ids) == 0 || p.e.dry() || p.run.Retry {
		return nil
	}
	for part := range slices.Chunk(ids, p.pageSize()) {
		records, err := p.records.read(ctx, part)
		if err != nil {
			return err
		}
		var keys [][]any
		var of []string
		for _, r := range records {
			if r.Record == nil {
				continue
			}
			if _, known := r.Link(p.def.ID); !known {
				keys, of = append(keys, p.mapper.Unkey(r.ID)), append(of, r.ID)
			}
		}
		found, err := finder.FindKeys(ctx, p.mapper.PushSpec(), keys)
		if err != nil {
			return err
		}
		var writes []store.Write
		for i, key := range found {
			if key == nil {
				continue
			}
			if text, err := mapping.JoinKey(key); err == nil && text != of[i] {
				writes = append(writes, p.records.alias(text, of[i]))
			}
		}
		if len(writes) == 0 {
			continue
		}
		if _, err := p.e.lease.commit(ctx, writes, nil); err != nil {
			return err
		}
	}
	return nil
}
