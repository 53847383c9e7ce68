package deployment

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// absentStore stands for an embedded store that does not exist yet. Reading from it creates none.
type absentStore struct {
	dir string
	say func(format string, args ...any)
}

// None returns the deployment of a directory without a store: it has no syncs. An empty
// list would look like an empty store, so None says the difference by say.
func None(dir string, say func(format string, args ...any)) Deployment { return absentStore{dir, say} }

func (n absentStore) missing(id string) error {
	return fmt.Errorf("no sync %q: there is no store in %s", id, n.dir)
}

func (absentStore) Close() {}

func (n absentStore) Syncs(context.Context) ([]Listed, error) {
	n.say("there is no store in %s", n.dir)
	return []Listed{}, nil
}

func (n absentStore) Check(context.Context, []byte) error { return nil }

func (n absentStore) Plan(_ context.Context, def *definition.Sync) (*Plan, error) {
	return nil, n.missing(def.ID)
}

func (n absentStore) Apply(_ context.Context, def *definition.Sync) (Applied, error) {
	return "", n.missing(def.ID)
}

func (n absentStore) Delete(_ context.Context, id string) error { return n.missing(id) }

func (n absentStore) Run(_ context.Context, id string, _ Options, _ Watch) (*syncrun.Run, error) {
	return nil, n.missing(id)
}

func (n absentStore) Runs(_ context.Context, id string) ([]*syncrun.Run, error) {
	return nil, n.missing(id)
}

func (n absentStore) Rejects(_ context.Context, id string) ([]*syncrun.Rejected, error) {
	return nil, n.missing(id)
}

func (n absentStore) Relink(_ context.Context, id string, _ bool) (*syncrun.Relinking, error) {
	return nil, n.missing(id)
}
