package outgoing_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// Data is sent without escapes for HTML, which could make it too large for a document.
func TestTextIsNotEscaped(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		w.register(r, "l")
		data := `{"12":{"name":"` + strings.Repeat("<&>", 160<<10) + `","priority":1}}`
		w.receive("l", "", data)
		require.Equal(t, 1, w.sweep(w.svc))
		require.Equal(t, `{"data":`+data+`,"externalTaskListId":"l","version":1}`, string(r.calls()[0].body))
	})
}

func TestCloudEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL, List: "l", Format: outgoing.CloudEvents})
	require.NoError(t, err)
	w.receive("l", "", tasks)
	w.sweep(w.svc)
	c := r.calls()[0]
	require.Equal(t, "application/cloudevents+json", c.header.Get("Content-Type"))
	var e map[string]any
	require.NoError(t, json.Unmarshal(c.body, &e))
	require.Equal(t, "1.0", e["specversion"])
	require.Equal(t, c.header.Get("webhook-id"), e["id"])
	require.Equal(t, "https://headgate.example", e["source"])
	require.Equal(t, "l", e["subject"])
	require.NotNil(t, e["data"].(map[string]any)["data"])
}
