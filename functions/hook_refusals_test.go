package functions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The log tells which hook refused a webhook and why, also where the sender shows no answers.
func TestRefusedWebhooksAreLogged(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"hooks":[
		{"name":"gone","verify":{"type":"none"},"sync":"none"},
		{"name":"strict","verify":{"type":"none"},"when":"body.ref == 'x'","event":{"eventKey":"entry1"}}]`))
	require.Equal(t, 404, g.do("POST", "/hooks/gone", "{}", "Webhook-Id", "m1").status)
	require.Equal(t, 400, g.do("POST", "/hooks/strict", `{"other":"canary"}`, "Webhook-Id", "m2").status)
	require.Contains(t, g.logs.String(), "hook=gone")
	require.Contains(t, g.logs.String(), "webhookId=m1")
	require.Contains(t, g.logs.String(), "hook=strict")
	require.NotContains(t, g.logs.String(), "canary")
}
