package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ordersCase = "../../examples/gate/order-payment-stock/"

func TestSimulateShowsWhatBecomesOfTheEvents(t *testing.T) {
	t.Parallel()
	args := []string{"simulate", "--config", ordersCase + "config.json", "--events", ordersCase + "events.jsonl"}
	status, out, errs := headgate(t, nil, args...)
	require.Zero(t, status, errs)
	require.Regexp(t, `^at +what +key +events +missing +event id
2026-05-01T12:00:06Z +complete +17 +order 1, payment 1, stock 1, note 1 +- +[0-9a-f]{32}
2026-05-01T12:00:07Z +refused: the expression in "correlation.key" .*
2026-05-01T13:00:02Z +partial +18 +order 1 +payment 0 of 1, stock 0 of 1 +[0-9a-f]{32}
$`, out)
	require.Equal(t, "7 events, 1 duplicate, 1 refused\n", errs)

	status, out, errs = headgate(t, nil, append(args, "-o", "json")...)
	require.Zero(t, status, errs)
	lines := filepath.Join(t.TempDir(), "expected.jsonl")
	require.NoError(t, os.WriteFile(lines, []byte(out), 0o600))
	status, out, errs = headgate(t, nil, append(args, "--expect", lines)...)
	require.Zero(t, status, errs)
	require.Equal(t, "ok: as in "+lines+"\n", out)

	require.NoError(t, os.WriteFile(lines, []byte(`{"kind":"message","key":"16"}`), 0o600))
	status, out, errs = headgate(t, nil, append(args, "--expect", lines)...)
	require.Equal(t, exitError, status)
	require.Equal(t, 1, strings.Count(out, "- {"))
	require.Equal(t, 3, strings.Count(out, "+ {"))
	require.Contains(t, errs, "4 differences")
}

// Alerts and single events say in a word what they are.
func TestSimulateShowsAlerts(t *testing.T) {
	t.Parallel()
	const daily = "../../examples/gate/daily-close/"
	status, out, errs := headgate(t, nil, "simulate", "--config", daily+"config.json", "--events", daily+"events.jsonl")
	require.Zero(t, status, errs)
	require.Regexp(t, `
2026-05-02T04:16:00Z +dropped: late +sales 1 .*
2026-05-03T04:15:00Z +partial +sales 1 .*
2026-05-03T04:15:00Z +alert: incomplete +- +stock 0 of 1 .*
2026-05-03T04:30:00Z +alert: overdue +- +stock 0 of 1 .*
$`, out)
	require.Equal(t, "5 events, 1 dropped by the rules\n", errs)
}

func TestSimulatePlaysCases(t *testing.T) {
	t.Parallel()
	status, out, errs := headgate(t, nil, "simulate", "--cases", "../../examples/gate")
	require.Zero(t, status, errs)
	require.Contains(t, out, "ok    order-payment-stock\n")

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "events.jsonl"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "expected.jsonl"), []byte(`{"kind":"dropped"}`), 0o600))
	status, out, errs = headgate(t, nil, "simulate", "--cases", dir, "--config", ordersCase+"config.json")
	require.Equal(t, exitError, status)
	require.Equal(t, "FAIL  .\n      - {\"kind\":\"dropped\"}\n", out)
	require.Contains(t, errs, "1 of 1 case failed")
}

func TestSimulateRefusesFlagsThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                   "--config or --cases is required",
		"--config x":                         "--events or --since is required",
		"--config x --events y --since z":    "exclude each other",
		"--cases x --events y":               "--cases does not go with --events",
		"--config x --events y --against z":  "--against must be recorded",
		"--config x --events y --output xml": "--output must be table or json",
		"--config= --events y":               "--config is empty",
		"--config x --events y --expect z --against recorded": "exclude each other",
	} {
		status, _, errs := headgate(t, nil, append([]string{"simulate"}, strings.Fields(args)...)...)
		require.Equal(t, exitUsage, status, args)
		require.Contains(t, errs, want, args)
	}
}

// What a server recorded is simulated with its own configuration, and with another one.
func TestSimulateComparesWithADeployment(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile(ordersCase + "config.json")
	require.NoError(t, err)
	base, _ := serving(t, map[string]string{"CONFIG": string(config)}, "--data", filepath.Join(t.TempDir(), "data"))
	began := time.Now().Add(-time.Minute).Format(time.RFC3339Nano)
	for _, e := range []string{`order {"orderId":17}`, `order {"orderId":18}`, `payment {"id":"p1","metadata":{"order":17}}`, `stock {"orderId":17}`} {
		endpoint, body, _ := strings.Cut(e, " ")
		status, _, errs := headgate(t, nil, "send", endpoint, "-d", body, "--url", base)
		require.Zero(t, status, errs)
	}
	status, out, errs := headgate(t, nil, "simulate", "--config", ordersCase+"config.json", "--url", base, "--since", began)
	require.Zero(t, status, errs)
	require.Regexp(t, `complete +17 +order 1, payment 1, stock 1 .*\n.* partial +18 `, out)

	against := []string{"simulate", "--url", base, "--since", began, "--against", "recorded", "--config"}
	status, out, errs = headgate(t, nil, append(against, ordersCase+"config.json")...)
	require.Zero(t, status, "%s%s", out, errs)
	require.Equal(t, "ok: as in the deployment\n", out)

	other := filepath.Join(t.TempDir(), "other.json")
	require.NoError(t, os.WriteFile(other, []byte(strings.Replace(string(config), `"eventKey": "stock"`, `"eventKey": "stock", "minNbOfOccurrence": 2`, 1)), 0o600))
	status, out, errs = headgate(t, nil, append(against, other)...)
	require.Equal(t, exitError, status)
	require.Regexp(t, `^- .*"kind":"message","key":"17","completion":"complete","events":{"order":\["[0-9a-f]{32}"\],"payment":.*\n$`, out)
	require.Contains(t, errs, "1 difference: - is in the deployment only")
}
