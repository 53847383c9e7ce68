package run

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

// A commit of a replaced holder fails by itself: it names the state that it was made
// from. A request or a statement at the source does not, so it leaves only while the
// lease is certainly held. What is certain is decided here, without asking the store
// where that can be.

// margin is how long before the end of its lease a holder stops to write: a request that
// leaves just before has that long to arrive, and clocks may differ by as much.
const margin = leaseTime / 3

// errUnsure is why a run writes nothing for now.
var errUnsure = fault.New(fault.Unavailable, "the lease of the run could not be renewed in time, so nothing more was sent")

// allow is the run's fence: nil if this process holds the lease for some time yet.
// After a pause it renews the lease first, and so finds out whether another process
// took the run over; then it ends the work.
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

// sure reports whether the lease is held without any doubt. Both clocks have to say so:
// the monotonic one, which nobody sets and which goes on while a process is stopped, and
// the wall clock, which goes on while a machine is suspended, and by which others decide
// that the lease is over. A wall clock that went back says nothing.
func (h *holder) sure() bool {
	at, now := *h.proven.Load(), h.svc.raw()
	const most = leaseTime - margin
	wall := now.Round(0).Sub(at.Round(0)) // Round(0) drops the monotonic reading
	return now.Sub(at) < most && wall < most && wall > -time.Second
}
