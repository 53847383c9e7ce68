package cost

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

func service(t *testing.T, more, endpoint string) config.Service {
	cfg, err := config.Parse([]byte(`{"services":[{"serviceName":"s","trigger":{"type":"window","observationPeriod":3600},` + more + `
		"endpoints":[{"eventKey":"a"` + endpoint + `},{"eventKey":"b"}],"targetPubSub":{"topic":"projects/p/topics/sync"}}]}`))
	require.NoError(t, err)
	return cfg.Services[0]
}

var million = Load{Events: 1e6, PerMessage: 2, Bytes: 1024, Millis: 50}

func byItem(lines []Line) map[string]Line {
	out := map[string]Line{}
	for _, l := range lines {
		out[l.Item] = l
	}
	return out
}

// docs/deploy.md explains the same arithmetic, for a million events of two endpoints.
func TestDocs(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/deploy.md")
	require.NoError(t, err)
	_, chapter, found := strings.Cut(string(doc), "## 14. What a million events cost")
	require.True(t, found)
	chapter = strings.Join(strings.Fields(chapter), " ")
	one, multi := byItem(Month(service(t, "", ""), million, false)), byItem(Month(service(t, "", ""), million, true))
	sum := func(lines map[string]Line, items ...string) (dollars float64) {
		for _, item := range items {
			require.Contains(t, lines, item)
			dollars += lines[item].Dollars
		}
		return dollars
	}
	row := func(items ...string) string {
		return fmt.Sprintf("$%.2f | $%.2f |", sum(one, items...), sum(multi, items...))
	}
	all := []string{"events: writes", "messages: writes", "checks: reads", "events: deletes", "messages: deletes"}
	require.Contains(t, chapter, "= 3.0 M | "+row("events: writes", "messages: writes"))
	require.Contains(t, chapter, "| 1.5 M | "+row("checks: reads"))
	require.Contains(t, chapter, fmt.Sprintf("| **$%.2f** | **$%.2f** |", sum(one, all...), sum(multi, all...)))
	require.InDelta(t, 2.5e6, one["events: deletes"].Quantity+one["messages: deletes"].Quantity, 1)
	for item, words := range map[string]string{
		"storage": "= $%.2f a month", "sweep: reads": "346,000 reads = $%.2f a month", "Pub/Sub": "per TiB = $%.2f",
		"Cloud Run: requests": "per million = $%.2f", "Cloud Run: CPU": "× $0.000024 = $%.2f", "Cloud Run: memory": "× $0.0000025 = $%.2f",
	} {
		require.Contains(t, chapter, fmt.Sprintf(words, one[item].Dollars), item)
	}
	require.Contains(t, chapter, fmt.Sprintf("about **$%.0f per million events**", Sum(Month(service(t, "", ""), million, false))))
}

func TestEveryLineIsItsProduct(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", `"correlation":{"key":"event.body.id"},`, `"correlation":{"key":"event.body.id"},"targets":[{"name":"x","http":{"url":"https://x.example"}}],`} {
		lines := Month(service(t, more, ""), million, false)
		var sum float64
		for _, l := range lines {
			require.InDelta(t, l.Quantity/l.Per*l.Price, l.Dollars, 1e-9, l.Item)
			require.Positive(t, l.Quantity, l.Item)
			sum += l.Dollars
		}
		require.InDelta(t, sum, Sum(lines), 1e-9)
	}
}

// What a service uses changes what it costs, and nothing else does.
func TestWhatCostsMore(t *testing.T) {
	t.Parallel()
	plain := byItem(Month(service(t, "", ""), million, false))
	keyed := byItem(Month(service(t, `"correlation":{"key":"event.body.id"},`, ""), million, false))
	distinct := byItem(Month(service(t, "", `,"distinct":"event.body.id"`), million, false))
	require.InDelta(t, 3e6, keyed["checks: reads"].Quantity, 1, "two checks of two queries, and two events read")
	require.Greater(t, distinct["checks: reads"].Quantity, keyed["checks: reads"].Quantity)
	require.Equal(t, plain["events: writes"], keyed["events: writes"])
	large := million
	large.Bytes = 3 << 20
	require.InDelta(t, 5e6, byItem(Month(service(t, "", ""), large, false))["events: writes"].Quantity, 1)
	once := million
	once.PerMessage = 1000
	require.Less(t, byItem(Month(service(t, "", ""), once, false))["messages: writes"].Quantity, 3000.0)
	require.InDelta(t, 2, Typical(service(t, "", "")), 0)
}
