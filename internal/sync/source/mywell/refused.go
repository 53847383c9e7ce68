package mywell

import (
	"context"
	"errors"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// refused decides what the error of a call means, if it has one: a result of this row, or an
// error of the whole push.
func (p *pusher) refused(err error) (source.Result, error) {
	if err == nil {
		return source.Result{}, nil
	}
	r, ok := errors.AsType[*rest.Refusal](err)
	return p.client.Refused(err, ok && r.Failed())
}

// notMade decides about a row that the server did not make, as it seems. After a failure of
// the server it looks whether the row is there.
func (p *pusher) notMade(ctx context.Context, theirs map[string]any, refused error) (source.Result, error) {
	r, ok := errors.AsType[*rest.Refusal](refused)
	if !ok || !r.Failed() {
		return p.client.Refused(refused, false)
	}
	if made, err := p.alike(ctx, theirs); made != nil || err != nil {
		return p.made(made, err)
	}
	return p.client.Refused(refused, false)
}
