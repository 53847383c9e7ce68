package deployment

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/internal/sync/syncrun"
)

// none is an embedded store that nobody has made yet. Asking about it makes none.
type none struct {
	dir string
	say func(format string, args ...any)
}

// None returns the deployment of a directory that holds no store: it has no sync. A
// list of none would look like an empty store, so say is told.
func None(dir string, say func(format string, args ...any)) Deployment { return none{dir, say} }

func (n none) missing(id string) error {
	return fmt.Errorf("no sync %q: there is no store in %s", id, n.dir)
}

func (none) Close() {}

func (n none) Syncs(context.Context) ([]syncrun.Sync, error) {
	n.say("there is no store in %s", n.dir)
	return []syncrun.Sync{}, nil
}

func (n none) Apply(_ context.Context, def *syncrun.Sync) (Applied, error) {
	return "", n.missing(def.ID)
}

func (n none) Delete(_ context.Context, id string) error { return n.missing(id) }

func (n none) Run(_ context.Context, id string, _ Options, _ Watch) (*syncrun.Run, error) {
	return nil, n.missing(id)
}

func (n none) Runs(_ context.Context, id string) ([]*syncrun.Run, error) { return nil, n.missing(id) }

func (n none) Rejects(_ context.Context, id string) ([]*syncrun.Rejected, error) {
	return nil, n.missing(id)
}
