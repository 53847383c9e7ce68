package draft

import (
	"context"
	"errors"

	"github.com/headgate/headgate/internal/platform/trace"
)

// traced is a source with a span of each call.
type traced struct {
	Source
	name string // of the draft
}

func (t traced) begin(ctx context.Context, what string) (context.Context, trace.Span) {
	ctx, span := trace.Start(ctx, trace.Internal, what)
	span.SetString("headgate.draft", t.name)
	return ctx, span
}

func (t traced) Fetch(ctx context.Context) (rows Rows, version string, err error) {
	ctx, span := t.begin(ctx, "fetch draft")
	rows, version, err = t.Source.Fetch(ctx)
	span.SetInt("headgate.rows", len(rows))
	span.End(err)
	return rows, version, err
}

func (t traced) Save(ctx context.Context, rows, seen Rows, version string) (named map[string]string, err error) {
	ctx, span := t.begin(ctx, "save draft")
	span.SetInt("headgate.rows", len(rows))
	named, err = t.Source.Save(ctx, rows, seen, version)
	if errors.Is(err, ErrSourceChanged) {
		span.Fail("conflict") // the save is refused, and nothing is lost
		return named, err
	}
	span.End(err)
	return named, err
}
