package apisource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// httpMethod returns the HTTP method of the operation.
func (w *write) httpMethod(op source.Op) string {
	return cmp.Or(w.Method, map[source.Op]string{
		source.Create: http.MethodPost, source.Update: http.MethodPatch, source.Delete: http.MethodDelete,
	}[op])
}

// of returns how the operation is sent, or nil if the definition does not define it.
func (r *resource) of(op source.Op) *write {
	switch op {
	case source.Create:
		return r.Create
	case source.Update:
		return r.Update
	default:
		return r.Delete
	}
}

// pusher is one call of Push.
type pusher struct {
	*api
	spec source.Spec
	res  resource
}

// Push implements source.Source. If the server chooses the keys, only the server can keep
// a repeated Create from making a second row. An idempotencyHeader or an attemptField
// lets it recognise the repetition.
func (a *api) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	p := &pusher{api: a, spec: spec, res: a.of(spec.Datatype)}
	if p.res.Create == nil && p.res.Update == nil && p.res.Delete == nil {
		return nil, fault.Wrap(fault.Invalid, source.ErrReadOnly, "%s cannot be pushed to: none of options.create, update and delete is defined", spec.Datatype)
	}
	results := source.Unanswered(len(changes))
	batches := map[source.Op][]int{}
	for i, c := range changes {
		if p.res.of(c.Op).size() > 1 && !p.looks(c.Op) {
			batches[c.Op] = append(batches[c.Op], i)
			continue
		}
		if err := p.alone(ctx, changes, i, results); err != nil {
			return results, p.failed(err)
		}
	}
	for _, op := range []source.Op{source.Create, source.Update, source.Delete} {
		at := batches[op]
		// The same changes form the same batches, whatever their order. A batch has one
		// idempotency key, made from its attempts, and the server would not recognise a
		// repeated batch under another key.
		slices.SortStableFunc(at, func(i, j int) int { return strings.Compare(changes[i].Attempt, changes[j].Attempt) })
		for batch := range slices.Chunk(at, p.res.of(op).size()) {
			if err := p.batch(ctx, op, changes, batch, results); err != nil {
				return results, p.failed(err)
			}
		}
	}
	return results, nil
}

// failed adds to an error which push it belongs to.
func (p *pusher) failed(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	return fault.Wrap(f.Code, err, "push of %s: %s", p.spec.Datatype, f.Message)
}

// alone sends one change in a call of its own, and notes what is known of it.
func (p *pusher) alone(ctx context.Context, changes []source.Change, i int, results []source.Result) error {
	r, err := p.one(ctx, changes[i])
	if err == nil || r.Err != nil {
		results[i] = r
	}
	return err
}

// one sends one change in a call of its own. Its result is known if it has an error or if
// one returns none.
func (p *pusher) one(ctx context.Context, c source.Change) (source.Result, error) {
	w := p.res.of(c.Op)
	if w == nil {
		return source.Result{Err: fault.New(fault.Invalid, "options.%s is not defined: this source cannot %s rows", c.Op, c.Op)}, nil
	}
	target, err := p.target(cmp.Or(w.URL, p.res.List, p.base.String()), c)
	if errors.Is(err, errKey) {
		return source.Result{Err: err}, nil
	}
	if err != nil {
		return source.Result{}, err
	}
	body := p.row(w, c)
	if body != nil && w.Batch > 1 {
		body = []any{body}
	}
	header := w.idempotency(c.Attempt)
	if p.looks(c.Op) {
		seen, err := p.look(ctx, c)
		switch r, _ := errors.AsType[*rest.Refusal](err); {
		case r != nil && (r.Status == http.StatusNotFound || r.Status == http.StatusGone) && c.Op == source.Delete:
			return source.Result{}, nil
		case r != nil && (r.Status == http.StatusNotFound || r.Status == http.StatusGone):
			return source.Result{Err: source.ErrMoved}, nil
		case err != nil:
			return p.refusal(ctx, c, err)
		}
		header = seen.condition(header)
	}
	answer, err := p.send(ctx, c.Op, target, header, w.envelop(body))
	if err != nil {
		return p.refusal(ctx, c, err)
	}
	if words := p.onlyError(w, answer, c); words != "" {
		return source.Result{Err: fault.New(fault.Invalid, "%s refuses: %s", p.base.Host, words)}, nil
	}
	made := answer.Body
	if w.Batch > 1 {
		list, _ := rest.Path(answer.Body, w.Results)
		if items, ok := list.([]any); ok && len(items) == 1 {
			made = items[0]
		}
	}
	result, err := p.result(w, made)
	if c.Op == source.Create && c.Key != nil && result.Key == nil && result.Err == nil {
		result.Key = p.respelled(c, made)
	}
	return result, err
}

// send makes the call of a write. If the server fails at a creation for which it chooses the
// key, send asks again: a server that made the row all the same recognises the call, and
// answers with the row. If it fails again, it made none.
func (p *pusher) send(ctx context.Context, op source.Op, target string, header http.Header, body any) (*rest.Answer, error) {
	answer, err := p.Call(ctx, p.res.of(op).httpMethod(op), target, header, body)
	if r, ok := errors.AsType[*rest.Refusal](err); ok && r.Status == http.StatusInternalServerError && p.chooses(op) {
		return p.Call(ctx, p.res.of(op).httpMethod(op), target, header, body)
	}
	return answer, err
}

// chooses reports whether the server chooses the keys of what the operation makes.
func (p *pusher) chooses(op source.Op) bool { return op == source.Create && p.res.Create.ID != "" }

// refusal decides what the error of a call means: a result of this change, or an error of
// the whole push.
func (p *pusher) refusal(ctx context.Context, c source.Change, err error) (source.Result, error) {
	if errors.Is(err, source.ErrMoved) {
		return source.Result{Err: source.ErrMoved}, nil
	}
	r, ok := errors.AsType[*rest.Refusal](err)
	if !ok {
		return source.Result{Err: source.ErrUnanswered}, err
	}
	gone := (r.Status == http.StatusNotFound || r.Status == http.StatusGone) && p.res.of(c.Op).addressed()
	switch {
	case gone && c.Op == source.Delete:
		return source.Result{}, nil
	case gone && c.Op == source.Update, r.Status == http.StatusPreconditionFailed:
		return source.Result{Err: source.ErrMoved}, nil
	case r.Status == http.StatusConflict && c.Op == source.Create && c.Key != nil && p.res.Read != nil:
		return p.met(ctx, c, err)
	case r.Status == http.StatusConflict && c.Op == source.Create && c.Key != nil && p.res.Update != nil && p.res.Update.addressed():
		return p.instead(ctx, c, err)
	}
	return p.Refused(err, r.Failed() && !p.chooses(c.Op))
}

// instead updates a row after the server refused its Create because the row exists. The
// answer to an earlier Create was lost, or somebody else made the row: without options.read
// the last write wins.
func (p *pusher) instead(ctx context.Context, c source.Change, refused error) (source.Result, error) {
	c.Op, c.Changed = source.Update, nil
	for name := range c.Fields {
		if !slices.Contains(p.spec.Key, name) {
			c.Changed = append(c.Changed, name)
		}
	}
	result, err := p.one(ctx, c)
	if errors.Is(result.Err, source.ErrMoved) {
		result.Err = refused // no row has this key, so the Create conflicts with another row
	}
	return result, err
}

// result reads the server's result for one row: an error, or the key of a new row.
func (p *pusher) result(w *write, made any) (source.Result, error) {
	if w.Error != "" {
		if v, _ := rest.Path(made, w.Error); v != nil && v != false && v != "" {
			text, ok := v.(string)
			if !ok {
				b, _ := json.Marshal(v)
				text = string(b)
			}
			return source.Result{Err: fault.New(fault.Invalid, "%s refuses: %s", p.base.Host, p.Clean(text))}, nil
		}
	}
	if w.ID == "" {
		return source.Result{}, nil
	}
	id, _ := rest.Path(made, w.ID)
	switch id := id.(type) {
	case json.Number:
		return source.Result{Key: []any{id}}, nil
	case string:
		if id != "" {
			return source.Result{Key: []any{id}}, nil
		}
	}
	if words := p.Words(&rest.Answer{Body: made}); words != "" {
		return source.Result{Err: fault.New(fault.Invalid, "%s refuses: %s", p.base.Host, words)}, nil
	}
	return source.Result{Err: source.ErrUnanswered}, fault.New(fault.Invalid, "the answer of %s has no key of the new row at %s (options.create.id)", p.base.Host, w.ID)
}

// row returns the body of a change, or nil if the change needs none.
func (p *pusher) row(w *write, c source.Change) any {
	row := make(map[string]any, len(c.Fields)+len(c.Key)+1)
	whole := c.Op == source.Create || c.Op == source.Update && (w.Whole || w.httpMethod(c.Op) == http.MethodPut)
	if whole || !w.addressed() {
		for i, k := range c.Key {
			row[p.spec.Key[i]] = k
		}
	}
	for name, v := range c.Fields {
		if c.Op == source.Create && v == nil && slices.Contains(c.Lacking, name) {
			continue // the server's default holds
		}
		if whole || slices.Contains(c.Changed, name) {
			row[name] = v
		}
	}
	if w.AttemptField != "" {
		row[w.AttemptField] = c.Attempt
	}
	if c.Op == source.Delete && w.addressed() {
		return nil
	}
	return row
}

func (w *write) envelop(body any) any {
	if body == nil || w.Envelope == "" {
		return body
	}
	return map[string]any{w.Envelope: body}
}

// target returns the URL of a change, or of a batch, which has no key.
func (p *pusher) target(template string, c source.Change) (string, error) {
	values := map[string]string{"type": p.spec.Datatype}
	for i, k := range c.Key {
		values[p.spec.Key[i]] = keyText(k)
		if len(c.Key) == 1 {
			values["id"] = keyText(k)
		}
	}
	u, err := p.address(template, values)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func (w *write) idempotency(attempt string) http.Header {
	if w.IdempotencyHeader == "" || attempt == "" {
		return nil
	}
	return http.Header{http.CanonicalHeaderKey(w.IdempotencyHeader): {attempt}}
}
