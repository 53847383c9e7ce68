package apisource

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
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
	row, header, err := p.read(ctx, c)
	if err != nil {
		return seen{}, err
	}
	if p.moved(c, row) {
		return seen{}, source.ErrMoved
	}
	return seen{header.Get("ETag")}, nil
}

// read reads the row of a change.
func (p *pusher) read(ctx context.Context, c source.Change) (map[string]any, http.Header, error) {
	target, err := p.target(p.res.Read.URL, c)
	if err != nil {
		return nil, nil, err
	}
	a, err := p.Call(ctx, http.MethodGet, target, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	item, _ := rest.Path(a.Body, p.res.Read.Item)
	row, ok := item.(map[string]any)
	if !ok {
		return nil, nil, fault.New(fault.Invalid, "the answer of %s has no row at %q (options.read.item)", p.base.Host, p.res.Read.Item)
	}
	return row, a.Header, nil
}

// met handles a Create that the server refused because the row exists. If the row has the
// values of the Create, an earlier attempt made it.
func (p *pusher) met(ctx context.Context, c source.Change, refused error) (source.Result, error) {
	row, _, err := p.read(ctx, c)
	switch r, _ := errors.AsType[*rest.Refusal](err); {
	case r != nil && (r.Status == http.StatusNotFound || r.Status == http.StatusGone):
		return source.Result{Err: refused}, nil // no row has this key, so the Create conflicts with another row
	case err != nil:
		return source.Result{}, err
	}
	result := source.Result{Key: p.respelled(c, row)}
	c.Op, c.Expect = source.Update, c.Fields
	if p.moved(c, row) {
		result.Err = source.ErrExists
	}
	return result, nil
}

// respelled returns the change's key as the server's row has it. It returns nil if the row has
// another key or none: the answer to a Create may be about something else than the row.
func (p *pusher) respelled(c source.Change, there any) []any {
	key := make([]any, len(c.Key))
	for i, name := range p.spec.Key {
		v, _ := rest.Path(there, name)
		if v == nil || len(key) != len(p.spec.Key) || !sameKey(v, c.Key[i]) {
			return nil
		}
		key[i] = v
	}
	return key
}

// sameKey reports whether two parts of a key can be the same in another spelling.
func sameKey(a, b any) bool {
	x, y := strings.TrimSpace(keyText(a)), strings.TrimSpace(keyText(b))
	m, errM := strconv.ParseFloat(x, 64)
	n, errN := strconv.ParseFloat(y, 64)
	return strings.EqualFold(x, y) || errM == nil && errN == nil && m == n || rest.Equal(x, y)
}

var _ source.KeyFinder = (*api)(nil)

// FindKeys implements source.KeyFinder. Without options.read it finds none.
func (a *api) FindKeys(ctx context.Context, spec source.Spec, keys [][]any) ([][]any, error) {
	p, out := &pusher{api: a, spec: spec, res: a.of(spec.Datatype)}, make([][]any, len(keys))
	if p.res.Read == nil {
		return out, nil
	}
	for i, key := range keys {
		c := source.Change{Op: source.Update, Key: key}
		row, _, err := p.read(ctx, c)
		r, refused := errors.AsType[*rest.Refusal](err)
		switch {
		case err == nil:
			out[i] = p.respelled(c, row)
		case errors.Is(err, errKey), refused && r.ForGood():
		default:
			return nil, p.failed(err)
		}
	}
	return out, nil
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
