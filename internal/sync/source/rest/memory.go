package rest

import (
	"context"
	"io"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
)

// readCopies is the number of copies of an answer in memory while it is read: the slice,
// its larger successor while it grows, and the part that was just read.
const readCopies = 3

// readAll reads an answer of at most limit bytes. It reserves the memory for each part
// before it reads the part, so that many large answers at once wait for each other instead
// of exhausting the process.
func readAll(ctx context.Context, hold *budget.Hold, body io.Reader, limit int64, host string) (raw []byte, err error) {
	body = io.LimitReader(body, limit+1)
	for step := int64(smallAnswer); ; step = int64(len(raw)) {
		more, err := io.ReadAll(io.LimitReader(body, step))
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, fault.WithoutURL(err), "the answer of %s broke off", host)
		}
		raw = append(raw, more...)
		if int64(len(raw)) > limit {
			return nil, fault.New(fault.TooLarge, "the answer of %s is over %d MiB: ask for smaller pages", host, limit>>20)
		}
		if int64(len(more)) < step {
			return raw, nil
		}
		if err := room(ctx, hold, readCopies*int64(len(raw)), host); err != nil {
			return nil, err
		}
	}
}

// room reserves n more bytes for the host's answer.
func room(ctx context.Context, hold *budget.Hold, n int64, host string) error {
	err := hold.Grow(ctx, n)
	if err == nil {
		return nil
	}
	if fault.CodeOf(err) == fault.TooLarge {
		return fault.Wrap(fault.TooLarge, err, "the answer of %s needs more memory than this process has for one answer: ask for smaller pages", host)
	}
	return fault.Wrap(fault.Unavailable, err, "the memory for the answer of %s is in use", host)
}
