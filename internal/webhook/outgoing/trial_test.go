package outgoing_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/outgoing"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// A test delivery is signed, has no data, and changes nothing: neither what waits, nor
// the log, nor the state of the target.
func TestTestDelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	target := w.register(r, "l")
	r.answer(500)
	w.receive("l", "", tasks)
	w.sweep(w.svc)
	before := w.targets()[0]
	out, err := w.svc.Try(t.Context(), target.ID)
	require.NoError(t, err)
	require.False(t, out.OK)
	require.Equal(t, 500, out.Status)
	require.Contains(t, out.Error, "500")
	r.answer(204)
	out, err = w.svc.Try(t.Context(), target.ID)
	require.NoError(t, err)
	require.True(t, out.OK)
	require.Equal(t, 204, out.Status)
	require.Empty(t, out.Error)
	require.Equal(t, before, w.targets()[0])
	_, sent, err := w.svc.Deliveries(t.Context(), target.ID, 10)
	require.NoError(t, err)
	require.Len(t, sent, 1)
	c := r.calls()[2]
	id, err := signature.Verify([]string{target.Secret}, c.header, c.body, w.now())
	require.NoError(t, err)
	require.Equal(t, out.WebhookID, id)
	require.JSONEq(t, `{"test":true,"externalTaskListId":"l"}`, string(c.body))
	_, err = w.svc.Try(t.Context(), "none")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestTestDeliveryAsCloudEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	target, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL, List: "l", Format: outgoing.CloudEvents})
	require.NoError(t, err)
	_, err = w.svc.Try(t.Context(), target.ID)
	require.NoError(t, err)
	var e struct{ Type, Subject string }
	require.NoError(t, json.Unmarshal(r.calls()[0].body, &e))
	require.Equal(t, "io.headgate.test", e.Type)
	require.Equal(t, "l", e.Subject)
}
