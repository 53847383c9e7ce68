package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// The commands that a banner shows can be copied: the gate accepts their bodies.
func TestBannerHasBodiesThatTheRulesAccept(t *testing.T) {
	t.Parallel()
	for example, lines := range map[string][]string{
		"order-payment-stock": {
			`-d '{"orderId":1}' http://127.0.0.1:1/event/order` + "\n",
			`-d '{"id":1,"metadata":{"order":1}}' http://127.0.0.1:1/event/payment` + "\n",
			`-d '{"orderId":1}' http://127.0.0.1:1/event/stock` + "\n",
		},
		"shards-of-a-job": {`-d '{"job":1,"shard":1}' http://127.0.0.1:1/event/shard-done` + "\n"},
		"daily-close":     {`/event/sales  # a body that "trigger.eventTime" in the configuration accepts` + "\n"},
		"three-files-and-a-push": {
			`/event/orders  # a body that "distinct" in the configuration accepts` + "\n",
			`-d 'hello' http://127.0.0.1:1/event/approved` + "\n",
		},
	} {
		file, err := os.ReadFile("../../config/examples/" + example + ".json")
		require.NoError(t, err)
		cfg, err := config.Parse(file)
		require.NoError(t, err)
		var out strings.Builder
		printBanner(&out, banner{base: "http://127.0.0.1:1", cfg: cfg})
		for _, line := range lines {
			require.Contains(t, out.String(), line, example)
		}
	}
}

func TestASampleContradictsNoExpression(t *testing.T) {
	t.Parallel()
	svc := config.Service{Correlation: &config.Correlation{Key: "event.body.order"}}
	for _, e := range []config.Endpoint{{ID: "event.body.order.id"}, {Key: "event.body.order.id", ID: "event.body.order"}} {
		body, decides := sample(svc, e)
		require.Empty(t, body)
		require.Equal(t, "id", decides)
	}
}
