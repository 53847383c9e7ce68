package incoming_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// A list's new version is told once, in the commit that stores it: not again for a webhook
// that is sent again, and without data that are too large.
func TestANewVersionIsTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		wanted, stored := true, 0
		s := w.service(func(o *options) {
			o.outbox = &occurrence.Outbox{
				Subscribed: func(_ context.Context, typ, subject string) bool {
					return wanted && typ == occurrence.List && subject == "l"
				},
				Stored: func() { stored++ },
			}
		})
		receive := func(list, id, data string) {
			_, err := s.Receive(t.Context(), list, id, json.RawMessage(data))
			require.NoError(t, err)
		}
		receive("l", "w1", `{"12":{"name":"a","priority":1}}`)
		receive("l", "w1", `{"12":{"name":"a","priority":1}}`)
		receive("other", "w2", `{}`)
		receive("l", "", `{"12":{"name":"`+strings.Repeat("x", 200<<10)+`","priority":1}}`)
		wanted = false
		receive("l", "w3", `{}`)
		require.Equal(t, 2, stored)
		docs, err := w.store.List(t.Context(), store.Listing{Collection: occurrence.Collection, ByOrder: true, Limit: 10})
		require.NoError(t, err)
		var told []string
		for _, d := range docs {
			e, err := occurrence.Parse(d)
			require.NoError(t, err)
			require.Equal(t, []string{occurrence.List, "l"}, []string{e.Type, e.Subject})
			told = append(told, string(e.Data))
		}
		require.ElementsMatch(t, []string{
			`{"data":{"12":{"name":"a","priority":1}},"externalTaskListId":"l","version":1}`, `{"externalTaskListId":"l","version":2}`,
		}, told)
	})
}
