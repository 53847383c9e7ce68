package sqlsource

import (
	"context"
	"fmt"
	"time"
)

// patience holds how long a source waits for a database. Tests shorten it.
type patience struct {
	page time.Duration // for a page; the first one waits until the database has sorted
	push time.Duration
	// statement makes the database stop a statement that this process fails to stop, because
	// it was killed or lost the connection.
	statement time.Duration
}

func usualPatience() patience {
	return patience{page: 5 * time.Minute, push: 2 * time.Minute, statement: 30 * time.Minute}
}

// within returns a context that ends after d, with overtime as its cause.
func (s *sqlSource) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, &overtime{d})
}

// overtime reports that a call took longer than a source waits.
type overtime struct{ d time.Duration }

func (o *overtime) Error() string {
	if o.d%time.Minute == 0 {
		return fmt.Sprintf("the database took longer than %d minutes", o.d/time.Minute)
	}
	return "the database took longer than " + o.d.String()
}
