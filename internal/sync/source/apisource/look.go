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

// looks reports whether the row is read before the operation writes it.
func (p *pusher) looks(op source.Op) bool { return p.res.Read != nil && op != source.Create }

// seen is the state of a row that was read right before the row is changed or deleted.
type seen struct{ etag string }

// condition adds If-Match to the headers of a change. The server then refuses the change
// with 412 if somebody changed the row after the look. A weak ETag never matches in
// If-Match (RFC 9110), so it is left out, and the moment between look and write stays open.
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

// look reads the row of a change. It returns source.ErrMoved if the row differs from the
// values on which both sides last agreed.
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

// moved reports whether somebody changed the row since both sides last agreed on its
// values. The values of this change itself count as agreed: the first attempt may have
// written them and lost its answer.
func (p *pusher) moved(c source.Change, row map[string]any) bool {
	expect := maps.Clone(c.Expect)
	for _, own := range append([]string{p.spec.CursorTime, p.spec.Deleted}, p.spec.Key...) {
		delete(expect, own) // the server maintains these columns by itself
	}
	for name, v := range expect {
		there, _ := rest.Path(row, name)
		if !p.same(name, there, v) && (c.Op != source.Update || !p.same(name, there, c.Fields[name])) {
			return true
		}
	}
	return false
}

func (p *pusher) same(column string, there, v any) bool {
	return rest.Equal(v, there) || p.spec.Means(column, there, v)
}
