package run

import (
	"context"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

// A source may allow only so many calls in a minute. A run that ended whenever it has made
// them would never get on: the next one reads the same pages first. So the run waits, keeps
// what it has done, and goes on from there.

const (
	// mostAsked is the longest pause for which a run waits.
	mostAsked = time.Hour
	// maxWaits is the most pauses that a step takes in a row without progress.
	maxWaits = 5
)

// await waits as the error asks. It returns the error if that asks for no pause, for too
// long a one, or again and again. errHandOn: the invocation's time is up before the pause is.
func (e *execution) await(ctx context.Context, step *Step, failed error) error {
	asked := fault.Asked(failed)
	if asked <= 0 || asked > mostAsked || step.Waits >= maxWaits {
		return failed
	}
	step.Waits++
	e.run.warn(fmt.Sprintf("%s %s: the data source allows no more calls for now; the run waits as it asks, and goes on", step.Phase, step.Datatype))
	if err := e.checkpoint(ctx, nil, nil); err != nil {
		return err
	}
	left, handOn := asked, false
	if !e.handOn.IsZero() {
		if rest := e.handOn.Sub(e.svc.now()); rest <= asked {
			left, handOn = max(rest, 0), true
		}
	}
	e.svc.log.Info("a run waits for its data source", "syncId", e.run.SyncID, "runId", e.run.ID, "waitSeconds", left.Seconds())
	if err := e.svc.o.Sleep(ctx, left); err != nil {
		return err
	}
	if handOn {
		return errHandOn
	}
	return nil
}

// sleep waits, or returns the reason why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
