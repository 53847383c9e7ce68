package simulation_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/simulation"
)

func serviceOf(t testing.TB, text string) config.Service {
	t.Helper()
	cfg, err := config.Parse([]byte(text))
	require.NoError(t, err)
	return cfg.Services[0]
}

func recipe(t testing.TB, name string) config.Service {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../config/examples", name+".json"))
	require.NoError(t, err)
	return serviceOf(t, string(text))
}

// run returns the lines as JSON.
func run(t testing.TB, svc config.Service, events string) []string {
	t.Helper()
	var lines []string
	_, err := simulation.Run(t.Context(), svc, simulation.Read(strings.NewReader(events)), simulation.Options{}, func(l *simulation.Line) error {
		text, err := json.Marshal(l)
		lines = append(lines, string(text))
		return err
	})
	require.NoError(t, err)
	return lines
}

func TestTry(t *testing.T) {
	for _, l := range run(t, recipe(t, "order-payment-stock"), `
{"at":"2026-05-01T12:00:01Z","eventKey":"order","body":{"orderId":17}}
{"at":"2026-05-01T12:00:02Z","eventKey":"order","body":{"orderId":18}}
{"at":"2026-05-01T12:00:03Z","eventKey":"payment","body":{"id":"pay-1","metadata":{"order":17}}}
{"at":"2026-05-01T12:00:04Z","eventKey":"payment","body":{"id":"pay-1","metadata":{"order":17}}}
{"at":"2026-05-01T12:00:05Z","eventKey":"note","body":{"orderId":17}}
{"at":"2026-05-01T12:00:06Z","eventKey":"stock","id":"my stock","body":{"orderId":17}}
{"at":"2026-05-01T12:00:07Z","eventKey":"stock","id":"bad","body":{}}
`) {
		t.Log(l)
	}
	for _, l := range run(t, recipe(t, "debounce"), `
{"at":"2026-05-01T12:00:01Z","eventKey":"changed","body":{"tenant":"acme"}}
{"at":"2026-05-01T12:00:22Z","eventKey":"changed","body":{"tenant":"acme"}}
{"at":"2026-05-01T12:00:23Z","eventKey":"changed","body":{"tenant":"beta"}}
{"at":"2026-05-01T12:00:44Z","eventKey":"changed","body":{"tenant":"acme"}}
`) {
		t.Log(l)
	}
	for _, l := range run(t, serviceOf(t, `{"serviceName":"s","trigger":{"type":"window","observationPeriod":600},
		"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"projects/a-b-c-d-e/topics/sync"}}`), `
{"at":"2026-05-01T12:00:01Z","eventKey":"a"}
{"at":"2026-05-01T12:10:00Z","eventKey":"a"}
{"at":"2026-05-01T12:10:01Z","eventKey":"b"}
{"at":"2026-05-01T12:10:23Z","eventKey":"b"}
{"at":"2026-05-01T12:20:23Z","eventKey":"a"}
{"at":"2026-05-01T12:40:44Z","eventKey":"b"}
`) {
		t.Log(l)
	}
}
