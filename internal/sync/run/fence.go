package run

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

// A commit of a replaced holder fails by itself, because it names the state that it was
// made from. A request or a statement at the source names nothing of the kind: the source
// would carry out what a stale holder sends, and overwrite what its successor sent. So a
// change leaves this process only while the lease is certainly held. That is decided
// here, and without asking the store where possible: it is decided before every request.

// margin is the time before the end of its lease in which a holder sends nothing. A request
// that leaves just before it has that time to arrive, and the clocks of two processes may differ
// by as much.
const margin = leaseTime / 3

// errUnsure is the reason for which a run sends nothing for now.
var errUnsure = fault.New(fault.Unavailable, "the lease of the run could not be renewed in time, so nothing more was sent")

// allow is the run's fence: it returns nil if this process holds the lease for some time
// yet. After a pause it first renews the lease, and so finds out whether another process
// took the run over; if so, it ends the work.
func (h *holder) allow(ctx context.Context) error {
	if h.sure() {
		return nil
	}
	_, err := h.commit(ctx, nil, nil)
	switch {
	case errors.Is(err, errLost), errors.Is(err, errCancelled):
		h.stop(err)
		return err
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "%s", errUnsure.Message)
	case !h.sure():
		return errUnsure
	}
	return nil
}

// sure reports whether the lease is held without any doubt. Both clocks have to say so.
// The monotonic clock cannot be set, and it runs on while the process is stopped. The
// wall clock runs on while the machine is suspended, and other processes decide by it
// that the lease is over. A wall clock that went back proves nothing.
func (h *holder) sure() bool {
	at, now := *h.proven.Load(), h.machine()
	const most = leaseTime - margin
	wall := now.Round(0).Sub(at.Round(0)) // Round(0) drops the monotonic reading
	return now.Sub(at) < most && wall < most && wall > -time.Second
}
