package deployment

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// none stands for an embedded store that does not exist yet. Reading from it creates none.
type none struct {
	dir string
	say func(format string, args ...any)
}

// None returns the deployment of a directory without a store: it has no syncs. An empty
// list would look like an empty store, so None says the difference by say.
func None(dir string, say func(format string, args ...any)) Deployment { return none{dir, say} }

func (n none) missing(id string) error {
	return fmt.Errorf("no sync %q: there is no store in %s", id, n.dir)
}

func (none) Close() {}

func (n none) Syncs(context.Context) ([]definition.Sync, error) {
	n.say("there is no store in %s", n.dir)
	return []definition.Sync{}, nil
}

func (n none) Apply(_ context.Context, def *definition.Sync) (Applied, error) {
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
