// Package shutdown waits for goroutines, but only as long as a shutdown may take.
package shutdown

import (
	"context"
	"sync"
)

// Wait returns nil once the group is done, or ctx's error if that ends first. A group
// that never ends keeps one goroutine, which a process that is ending can afford.
func Wait(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
