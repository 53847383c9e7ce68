package apisource

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/source"
	"github.com/headgate/headgate/internal/source/rest"
)

// pusher is one call of Push.
type pusher struct {
	*api
	spec source.Spec
	res  resource
}

// Push implements source.Source. That a change may be pushed again is up to the
// server: rows that are created by their own key with PUT, and calls with an
// idempotencyHeader, are.
func (a *api) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	p := &pusher{api: a, spec: spec, res: a.of(spec.Datatype)}
	if p.res.Create == nil && p.res.Update == nil && p.res.Delete == nil {
		return nil, source.ErrReadOnly
	}
	results := make([]source.Result, len(changes))
	var creates []int
	for i, c := range changes {
		if c.Op == source.Create && p.res.Create != nil && p.res.Create.Batch > 1 {
			creates = append(creates, i)
			continue
		}
		var err error
		if results[i], err = p.one(ctx, c); err != nil {
			return nil, p.failed("push of "+spec.Datatype, err)
		}
	}
	for batch := range slices.Chunk(creates, max(1, batchOf(p.res.Create))) {
		if err := p.batch(ctx, changes, batch, results); err != nil {
			return nil, p.failed("push of "+spec.Datatype, err)
		}
	}
	return results, nil
}

func batchOf(w *write) int {
	if w == nil {
		return 1
	}
	return w.Batch
}

func (p *pusher) writeOf(op source.Op) (w *write, method string) {
	switch op {
	case source.Create:
		w, method = p.res.Create, http.MethodPost
	case source.Update:
		w, method = p.res.Update, http.MethodPatch
	default:
		w, method = p.res.Delete, http.MethodDelete
	}
	if w != nil && w.Method != "" {
		method = w.Method
	}
	return w, method
}

// one sends one change in a call of its own.
func (p *pusher) one(ctx context.Context, c source.Change) (source.Result, error) {
	w, method := p.writeOf(c.Op)
	if w == nil {
		return source.Result{Err: fault.New(fault.Invalid, "options.%s is not defined: rows are not %sd at this source", c.Op, c.Op)}, nil
	}
	target, err := p.address(w, c)
	if err != nil {
		return source.Result{}, err
	}
	var body any
	switch {
	case c.Op == source.Create || c.Op == source.Update && method == http.MethodPut:
		body = p.fields(c)
	case c.Op == source.Update:
		changed := make(map[string]any, len(c.Changed))
		for _, name := range c.Changed {
			changed[name] = c.Fields[name]
		}
		body = changed
	}
	if c.Op == source.Create && w.Batch > 1 {
		body = []any{body}
	}
	if body != nil && w.Envelope != "" {
		body = map[string]any{w.Envelope: body}
	}
	answer, err := p.Call(ctx, method, target, key(w, c.Attempt), body)
	if err != nil {
		return p.refusal(c, err)
	}
	if c.Op != source.Create {
		return source.Result{}, nil
	}
	made := answer.Body
	if w.Batch > 1 {
		list, _ := rest.Path(answer.Body, w.Results)
		if items, ok := list.([]any); ok && len(items) == 1 {
			made = items[0]
		}
	}
	return p.created(w, made)
}

// refusal is what an error of a call means for the change.
func (p *pusher) refusal(c source.Change, err error) (source.Result, error) {
	r, ok := errors.AsType[*rest.Refusal](err)
	if !ok || !r.ForGood() {
		return source.Result{}, err
	}
	gone := r.Status == http.StatusNotFound || r.Status == http.StatusGone
	switch {
	case gone && c.Op == source.Delete:
		return source.Result{}, nil
	case gone && c.Op == source.Update, r.Status == http.StatusPreconditionFailed:
		return source.Result{Err: source.ErrMoved}, nil
	case gone || r.Status == http.StatusMethodNotAllowed:
		return source.Result{}, err // the URL is wrong, not the row
	}
	return source.Result{Err: err}, nil
}

// batch creates rows in one call. Where the call is refused for good, each is
// sent by itself, to find the one that is the reason.
func (p *pusher) batch(ctx context.Context, changes []source.Change, at []int, results []source.Result) error {
	w, method := p.writeOf(source.Create)
	target, err := p.address(w, source.Change{})
	if err != nil {
		return err
	}
	rows, attempts := make([]any, len(at)), sha256.New()
	for n, i := range at {
		rows[n] = p.fields(changes[i])
		fmt.Fprintln(attempts, changes[i].Attempt)
	}
	var body any = rows
	if w.Envelope != "" {
		body = map[string]any{w.Envelope: rows}
	}
	answer, err := p.Call(ctx, method, target, key(w, hex.EncodeToString(attempts.Sum(nil)[:16])), body)
	if r, ok := errors.AsType[*rest.Refusal](err); ok && r.ForGood() && len(at) > 1 {
		for _, i := range at {
			if results[i], err = p.one(ctx, changes[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		if len(at) == 1 {
			results[at[0]], err = p.refusal(changes[at[0]], err)
		}
		return err
	}
	if w.ID == "" {
		return nil
	}
	list, _ := rest.Path(answer.Body, w.Results)
	made, ok := list.([]any)
	if !ok || len(made) != len(at) {
		return fault.New(fault.Invalid, "%s took %d rows and did not answer with as many results (options.create.results)", p.base.Host, len(at))
	}
	for n, i := range at {
		if results[i], err = p.created(w, made[n]); err != nil {
			return err
		}
	}
	return nil
}

// created finds the key of a new row in what the server says of it.
func (p *pusher) created(w *write, made any) (source.Result, error) {
	if w.ID == "" {
		return source.Result{}, nil
	}
	id, ok := rest.Path(made, w.ID)
	switch id.(type) {
	case string, json.Number:
	default:
		ok = false
	}
	if !ok {
		return source.Result{}, fault.New(fault.Invalid, "the answer of %s has no key of the new row at %s (options.create.id)", p.base.Host, w.ID)
	}
	return source.Result{Key: []any{id}}, nil
}

// fields are the whole row, with its key if that is known.
func (p *pusher) fields(c source.Change) map[string]any {
	row := make(map[string]any, len(c.Fields)+len(c.Key))
	for i, k := range c.Key {
		row[p.spec.Key[i]] = k
	}
	for name, v := range c.Fields {
		row[name] = v
	}
	return row
}

// address is the URL of the change.
func (p *pusher) address(w *write, c source.Change) (string, error) {
	values := map[string]string{"type": p.spec.Datatype}
	for i, k := range c.Key {
		values[p.spec.Key[i]] = fmt.Sprint(k)
		if len(c.Key) == 1 {
			values["id"] = fmt.Sprint(k)
		}
	}
	template := cmp.Or(w.URL, p.res.List, p.base.String())
	if c.Key == nil && c.Op == source.Create && placeholder.MatchString(w.URL) && w.ID == "" {
		return "", fault.New(fault.Invalid, "options.create.url needs the row's key, which is not known")
	}
	u, err := p.url(template, values)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func key(w *write, attempt string) http.Header {
	if w.IdempotencyHeader == "" || attempt == "" {
		return nil
	}
	return http.Header{http.CanonicalHeaderKey(w.IdempotencyHeader): {attempt}}
}
