package doctor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/unused"
)

func TestUnusedSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	w.Unused = func(context.Context) ([]unused.Setting, error) {
		return []unused.Setting{{Path: "$.deadLetter", Why: "no policy"}, {Path: "$.sync.secrets[0]", Why: "no sync names env:A"}}, nil
	}
	require.Equal(t, Finding{"setting.unused", Warning, "nothing uses $.deadLetter: no policy", ""}, w.one(t, "setting.unused"))
	require.Equal(t, Finding{"secret.unused", Warning, "nothing uses $.sync.secrets[0]: no sync names env:A", "headgate [sync list]"}, w.one(t, "secret.unused"))
	require.Empty(t, w.find(t, "setting.used"))

	w.Unused = func(context.Context) ([]unused.Setting, error) { return nil, nil }
	require.Equal(t, OK, w.one(t, "setting.used").State)
	w.Unused = func(context.Context) ([]unused.Setting, error) { return nil, context.DeadlineExceeded }
	require.Equal(t, NotChecked, w.one(t, "setting.used").State)

	w.Place.StoreMissing = "/data" // what is registered is not known before there is a store
	require.Empty(t, w.find(t, "setting.used"))
}
