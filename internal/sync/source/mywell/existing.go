package mywell

import (
	"context"
	"net/http"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// identityOf returns a text that is equal for two rows of the same reading: the same
// resource and instant, to the millisecond that the server keeps.
func identityOf(theirs map[string]any) string {
	at, _ := rest.Instant(theirs["date"])
	return composite(theirs["postcode"], theirs["resourceId"]) + " " + at.Truncate(time.Millisecond).UTC().Format(time.RFC3339Nano)
}

// existing returns the readings in the rows' resources and span of time, by identity.
func (p *pusher) existing(ctx context.Context, rows []any) (map[string]object, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	var resources []any
	seen := map[string]bool{}
	var first, last time.Time
	for _, row := range rows {
		m, _ := row.(map[string]any)
		if id := text(m["resourceId"]); !seen[id] {
			seen[id] = true
			resources = append(resources, m["resourceId"])
		}
		at, _ := rest.Instant(m["date"])
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	const layout = "2006-01-02T15:04:05.000Z07:00"
	where := object{"and": []object{
		{"resourceId": object{"inq": resources}},
		{"date": object{"gte": first.UTC().Format(layout)}}, {"date": object{"lte": last.Add(time.Millisecond).UTC().Format(layout)}},
	}}
	out := map[string]object{}
	after := any(nil)
	for {
		w := where
		if after != nil {
			w = object{"and": []object{where, {"id": object{"gt": after}}}}
		}
		a, err := p.client.Call(ctx, http.MethodGet, p.url(p.model, "", object{"where": w, "order": []string{"id ASC"}, "limit": p.rows}), nil, nil)
		if err != nil {
			return nil, err
		}
		items, ok := a.Body.([]any)
		if !ok {
			return nil, fault.New(fault.Invalid, "the answer of %s is not an array", p.base.Host)
		}
		before := text(after)
		for _, item := range items {
			if m, ok := item.(map[string]any); ok {
				out[identityOf(m)], after = m, m["id"]
			}
		}
		if len(items) < p.rows || text(after) == before {
			return out, nil
		}
	}
}
