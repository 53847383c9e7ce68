package flow

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
)

// awayDocs is a store that does not answer, or that is empty.
type awayDocs struct {
	store.Docs
	err error
}

func (d awayDocs) Get(_ context.Context, _ store.Collection, ids []string) ([]*store.Doc, error) {
	return make([]*store.Doc, len(ids)), d.err
}

// A draft whose sync cannot be read now is refreshed, because the change may concern it.
func TestShowsRecordsInDoubt(t *testing.T) {
	t.Parallel()
	d := config.Draft{Name: "d", Sync: &config.DraftSync{ID: "s", Datatype: "task"}}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{"away": {errors.New("away"), true}, "no such sync": {nil, false}} {
		f := &Flow{use: UseCases{Definitions: definition.New(definition.Options{Docs: awayDocs{err: c.err}})}}
		require.Equal(t, c.want, f.showsRecords(t.Context(), "o", "task")(d), name)
		require.False(t, f.showsRecords(t.Context(), "o", "other")(d), name)
	}
}
