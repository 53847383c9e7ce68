package cli

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/launch"
)

// Banners without "auth" are for a person who has no token.
func TestBannerWithoutAuth(t *testing.T) {
	t.Parallel()
	base, banner := serving(t, nil, "--data", t.TempDir())
	require.Contains(t, banner, "No configuration given: serving the example (see --config).")
	require.Contains(t, banner, "\nTry it:\n  curl -d 'hello' "+base+"/event/entry1\n")
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get(base + "/console")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
}

// A deployment without a gate has no event to try.
func TestBannerWithoutServices(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(`{"sync": {}}`))
	require.NoError(t, err)
	var out strings.Builder
	printBanner(&out, banner{base: "http://127.0.0.1:1", cfg: cfg})
	require.Equal(t, "\nConsole\n  http://127.0.0.1:1/console\n\nNo gate: the configuration names no service. What is served\n  http://127.0.0.1:1/openapi.json\n\n", out.String())
}

// The start names the length of a window that has one: a tumbling window has an interval.
func TestAnnounceNamesThePeriod(t *testing.T) {
	t.Parallel()
	for trigger, want := range map[string]string{
		`"observationPeriod": 90`:              "observationPeriod=1m30s",
		`"window": "tumbling", "every": "day"`: "",
	} {
		cfg, err := config.Parse([]byte(`{"serviceName": "s", "trigger": {"type": "window", ` + trigger + `},
			"endpoints": [{"eventKey": "a"}], "targetPubSub": {"topic": "projects/p-1/topics/sync"}}`))
		require.NoError(t, err)
		var out strings.Builder
		p := &Process{Program: name}
		p.announce(slog.New(slog.NewTextHandler(&out, nil)), launch.Settings{}, cfg, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
		require.Contains(t, out.String(), want)
		require.Equal(t, want != "", strings.Contains(out.String(), "observationPeriod"), trigger)
	}
}

// A window by key, with a deadline or a condition is described in words.
func TestBannerSaysWhatTheWindowIs(t *testing.T) {
	t.Parallel()
	const doc = `{"serviceName": "s", "trigger": {"type": "window", "window": "anchored", "observationPeriod": 3600, "onClose": "partial"},
		"endpoints": [{"eventKey": "orders"}, {"eventKey": "payment"}], "targetPubSub": {"topic": "projects/p-1/topics/sync"},
		"correlation": {"key": "event.body.orderId"},
		"feeds": [{"name": "bucket", "routes": [{"when": "true", "eventKey": "orders"}]}]}`
	const words = "anchored for 1h, by event.body.orderId; complete with orders and payment; else partial"
	cfg, err := config.Parse([]byte(doc))
	require.NoError(t, err)
	var out strings.Builder
	printBanner(&out, banner{base: "http://127.0.0.1:1", cfg: cfg})
	require.Contains(t, out.String(), "\ns\n  window    "+words+"\n  event     http://127.0.0.1:1/event/orders\n")
	require.Contains(t, out.String(), "/event/payment\n  feed      http://127.0.0.1:1/feed/bucket\n  status ")

	file := filepath.Join(t.TempDir(), "gate.json")
	require.NoError(t, os.WriteFile(file, []byte(doc), 0o600))
	var checked strings.Builder
	check := newConfigCheck(&Process{Stdout: &checked})
	check.SetArgs([]string{file})
	require.NoError(t, check.Execute())
	require.Equal(t, "ok: \"s\", window, 2 endpoints, to projects/p-1/topics/sync; events count for one message\n"+
		"  \"orders\": any method but HEAD and OPTIONS; needs 1; sends all\n"+
		"  \"payment\": any method but HEAD and OPTIONS; needs 1; sends all\n  window: "+words+"\n", checked.String())
}

// The start says the configuration in words, so that its log tells what the service does.
func TestTheStartSaysTheConfiguration(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(`{"serviceName": "s", "trigger": {"type": "window", "observationPeriod": 3600, "keepEventAfterTrigger": true},
		"endpoints": [{"eventKey": "orders", "acceptedHttpMethods": ["post"], "minNbOfOccurrence": 3, "eventToSend": "LAST"}, {"eventKey": "payment"}],
		"targetPubSub": {"topic": "projects/p-1/topics/sync"}}`))
	require.NoError(t, err)
	var log strings.Builder
	p := &Process{Stdout: io.Discard}
	p.announce(slog.New(slog.NewTextHandler(&log, nil)), launch.Settings{}, cfg, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	for _, words := range []string{
		"serviceName=s", "trigger=window", "observationPeriod=1h0m0s", `\"orders\": POST; needs 3; sends the last`, `\"payment\": any method but HEAD and OPTIONS; needs 1; sends all`,
		`keep="events count again after a message"`, "topic=projects/p-1/topics/sync", "asyncEventTrigger=false",
	} {
		require.Contains(t, log.String(), words)
	}
}
