package apisource

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// looks reports whether a row is read before the operation.
func (p *pusher) looks(op source.Op) bool { return p.res.Read != nil && op != source.Create }

// seen is a row as it was read right before it is changed or deleted.
type seen struct{ etag string }

// condition adds what has the server refuse the change with 412 if the row is another by
// then. A weak ETag would never match.
func (s seen) condition(h http.Header) http.Header {
	if s.etag == "" || strings.HasPrefix(s.etag, "W/") {
		return h
	}
	out := maps.Clone(h)
	if out == nil {
		out = http.Header{}
	}
	out.Set("If-Match", s.etag)
	return out
}

// look reads the row of a change. ErrMoved of package source: it is not what both sides
// last agreed on.
func (p *pusher) look(ctx context.Context, c source.Change) (seen, error) {
	target, err := p.target(p.res.Read.URL, c)
	if err != nil {
		return seen{}, err
	}
	a, err := p.Call(ctx, http.MethodGet, target, nil, nil)
	if err != nil {
		return seen{}, err
	}
	item, _ := rest.Path(a.Body, p.res.Read.Item)
	row, ok := item.(map[string]any)
	if !ok {
		return seen{}, fault.New(fault.Invalid, "the answer of %s has no row at %q (options.read.item)", p.base.Host, p.res.Read.Item)
	}
	if p.moved(c, row) {
		return seen{}, source.ErrMoved
	}
	return seen{a.Header.Get("ETag")}, nil
}

// moved reports whether the row has other values than both sides last agreed on. What
// this very change wrote is no change by others: it is sent again.
func (p *pusher) moved(c source.Change, row map[string]any) bool {
	expect := maps.Clone(c.Expect)
	for _, own := range append([]string{p.spec.CursorTime, p.spec.Deleted}, p.spec.Key...) {
		delete(expect, own) // the server keeps them
	}
	for name, v := range expect {
		there, _ := rest.Path(row, name)
		if !rest.Equal(v, there) && (c.Op != source.Update || !rest.Equal(c.Fields[name], there)) {
			return true
		}
	}
	return false
}
