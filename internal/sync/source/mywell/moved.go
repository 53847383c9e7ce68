package mywell

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// there finds the row of a change. It returns the row's id in LegacyMyWell's URLs, or "" if
// there is no such row. It returns the row itself if the change expects values of it.
func (p *pusher) there(ctx context.Context, c source.Change) (id string, row map[string]any, err error) {
	if p.keyed && len(c.Expect) == 0 {
		return text(c.Key[0]), nil, nil
	}
	key := p.key(c)
	theirs, err := p.push(key, externalIDsOf(key, c.ExternalIDs))
	if err != nil {
		return "", nil, fault.Wrap(fault.Invalid, &rest.Refusal{Status: http.StatusUnprocessableEntity}, "%s", err)
	}
	names := []string{"postcode", "resourceId", "date"}
	if p.keyed {
		names = []string{"postcode", "id"}
	}
	var and []object
	for _, name := range names {
		and = append(and, object{name: theirs[name]})
	}
	found, err := p.find(ctx, object{"and": and}, 1)
	if err != nil || len(found) == 0 {
		return "", nil, err
	}
	if p.keyed {
		return text(c.Key[0]), found[0], nil
	}
	return text(found[0]["id"]), found[0], nil
}

// moved reports whether somebody changed the row since both sides last agreed on its
// values. The values of this change itself count as agreed: the first attempt may have
// written them and lost its answer.
func (p *pusher) moved(c source.Change, theirs map[string]any) bool {
	expect := maps.Clone(c.Expect)
	for _, name := range slices.Concat(p.spec.Key, []string{
		"externalIds", "createdAt", "updatedAt", p.spec.CursorTime, p.spec.Deleted, // each side maintains these members by itself
	}) {
		delete(expect, name)
	}
	if len(expect) == 0 {
		return false
	}
	row, reject := p.pull(theirs)
	if reject != nil {
		return true
	}
	for name, v := range expect {
		again := c.Op == source.Update && p.same(name, row[name], c.Fields[name])
		if !p.same(name, row[name], v) && !again {
			return true
		}
	}
	return false
}

func (p *pusher) same(column string, there, v any) bool {
	return equal(v, there) || p.spec.Means(column, there, v)
}

// equal compares two values as the server does. It is written in JavaScript and may return
// a number as text.
func equal(a, b any) bool { return rest.Equal(a, b) || text(a) != "" && text(a) == text(b) }
