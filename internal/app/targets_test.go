package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Targets and receivers of alerts sign with the secret and the former one. What is behind a
// reference is known only when the process starts: what is wrong with it is said then, by its
// field, and it is not shown.
func TestSecretsOfEndpoints(t *testing.T) {
	t.Parallel()
	present, former := signature.NewSecret(), signature.NewSecret()
	for _, c := range []struct{ present, former, fails, says string }{
		{present: present},
		{present: present, former: former},
		{present: present, former: present, says: "is the present one"},
		{present: "hunter2", former: former, fails: "secret is not one of Standard Webhooks"},
		{present: present, former: "hunter2", fails: "formerSecret is not one of Standard Webhooks"},
		{present: present, former: "unset", fails: "formerSecret: env:FORMER is not set"},
	} {
		h := config.TargetHTTP{URL: "https://a.example/", Secret: "env:PRESENT"}
		if c.former != "" {
			h.FormerSecret = "env:FORMER"
		}
		var log bytes.Buffer
		a := &App{o: Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Secret: func(_ context.Context, ref string) (string, error) {
			value := map[string]string{"env:PRESENT": c.present, "env:FORMER": c.former}[ref]
			if value == "unset" {
				return "", errors.New(ref + " is not set")
			}
			return value, nil
		}}}
		svc := config.Service{Targets: []config.Target{{Name: "t", HTTP: &h}}, Alerts: &config.Alerts{HTTP: []config.TargetHTTP{h}}}
		targets, err := a.senders(t.Context(), svc)
		alerts, alertsErr := a.alertSenders(t.Context(), svc)
		if c.fails != "" {
			for at, err := range map[string]error{`target "t"`: err, "alerts.http[0]": alertsErr} {
				require.ErrorContains(t, err, at+": "+c.fails)
				require.NotContains(t, err.Error(), "hunter2")
			}
			continue
		}
		require.NoError(t, err)
		require.NoError(t, alertsErr)
		for _, s := range []target.Sender{targets["t"], alerts[0]} {
			require.Equal(t, c.present, s.(*target.HTTP).Secret)
			require.Equal(t, c.former, s.(*target.HTTP).FormerSecret)
		}
		if c.says == "" {
			require.Empty(t, log.String())
			continue
		}
		require.Contains(t, log.String(), c.says)
		require.Contains(t, log.String(), "setting=targets.t.http.formerSecret")
		require.Contains(t, log.String(), "setting=alerts.http[0].formerSecret")
		require.NotContains(t, log.String(), present)
	}
}
