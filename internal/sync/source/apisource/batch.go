package apisource

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// batch sends rows in one call. If the server refuses the call for good, batch sends each
// row by itself, so that one bad row does not stop the others. So it does if the server
// fails at the call, or does not say which of its results belongs to which row.
func (p *pusher) batch(ctx context.Context, op source.Op, changes []source.Change, at []int, results []source.Result) error {
	if len(at) == 1 {
		return p.alone(ctx, changes, at[0], results)
	}
	w := p.res.of(op)
	target, err := p.target(cmp.Or(w.URL, p.res.List, p.base.String()), source.Change{Op: op})
	if err != nil {
		return err
	}
	rows, attempts := make([]any, len(at)), sha256.New()
	for n, i := range at {
		rows[n] = p.row(w, changes[i])
		fmt.Fprintln(attempts, changes[i].Attempt)
	}
	answer, err := p.send(ctx, op, target, w.idempotency(hex.EncodeToString(attempts.Sum(nil)[:16])), w.envelop(rows))
	if r, ok := errors.AsType[*rest.Refusal](err); ok && (r.ForGood() || r.MayBeRow()) {
		return p.each(ctx, changes, at, results)
	}
	if err != nil {
		return err
	}
	if w.ID == "" && p.onlyError(w, answer, changes[at[0]]) != "" {
		return p.each(ctx, changes, at, results)
	}
	if w.ID == "" && w.Error == "" {
		for _, i := range at {
			results[i] = source.Result{}
		}
		return nil
	}
	left, refused, err := p.answered(w, answer, changes, at, rows, results)
	if err != nil || len(left) == 0 {
		return err
	}
	if p.chooses(op) && w.AttemptField == "" && !refused { // another call would make the rows once more
		return fault.New(fault.Invalid, "%s accepted %d rows, and its answer does not say which of its results belong to %d of them: "+
			"let it return the fields of each row, or set options.create.attemptField, or options.create.batch to 1", p.base.Host, len(at), len(left))
	}
	return p.each(ctx, changes, left, results)
}

// each sends each of the changes in a call of its own.
func (p *pusher) each(ctx context.Context, changes []source.Change, at []int, results []source.Result) error {
	for _, i := range at {
		if err := p.alone(ctx, changes, i, results); err != nil {
			return err
		}
	}
	return nil
}

// answered notes the results of a batch, and returns the changes of which the answer does
// not tell the result. refused reports whether all of these were refused. Servers may answer
// in another order, or only about some rows. So a result is never taken for that of the row
// at its position.
func (p *pusher) answered(w *write, a *rest.Answer, changes []source.Change, at []int, rows []any, results []source.Result) (left []int, refused bool, err error) {
	list, _ := rest.Path(a.Body, w.Results)
	made, _ := list.([]any)
	if w.ID == "" && len(made) == len(at) && p.errorsIn(w, made) == 0 { // every row was accepted, whichever is which
		for _, i := range at {
			results[i] = source.Result{}
		}
		return nil, false, nil
	}
	of, open := p.match(w, changes, at, rows, made)
	for n, i := range at {
		item, ok := of[n]
		if !ok {
			left = append(left, i)
			continue
		}
		r, err := p.result(w, item)
		if err != nil {
			return nil, false, err
		}
		results[i] = r
	}
	return left, len(open) == len(left) && p.errorsIn(w, open) == len(open), nil
}

// errorsIn counts the results with which the server refuses a row.
func (p *pusher) errorsIn(w *write, made []any) (n int) {
	for _, item := range made {
		if r, _ := p.result(w, item); r.Err != nil && !errors.Is(r.Err, source.ErrUnanswered) {
			n++
		}
	}
	return n
}
