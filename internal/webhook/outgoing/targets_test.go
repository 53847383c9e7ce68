package outgoing_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// A target that cannot be read does not stop the deliveries to the others.
func TestATargetThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	w.register(r, "l")
	for _, id := range []string{"l/0", "l/z"} {
		_, err := w.store.Commit(t.Context(), []store.Write{{Collection: store.Collection{Kind: "webhooks"}, Doc: store.Doc{ID: id, Body: []byte(`{`), Order: 1}}})
		require.NoError(t, err)
	}
	w.receive("l", "", tasks)
	require.Equal(t, 1, w.sweep(w.svc))
	require.Len(t, r.calls(), 1)
	require.Len(t, w.targets(), 1)
}
