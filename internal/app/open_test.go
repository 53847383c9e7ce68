package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/hosting"
)

// A line at start warns of settings that protect less than they seem to.
func TestWhatIsOpenIsSaid(t *testing.T) {
	t.Parallel()
	token := &config.Live{Token: &config.LiveToken{Secret: "not for the log", Audience: "a"}}
	said := func(d config.Deployment, platform hosting.Platform) []string {
		return (&App{o: Options{Config: &config.Config{Deployment: d}, Platform: platform}}).open()
	}
	for _, cfg := range []config.Deployment{
		{}, {Live: &config.Live{}}, {CORS: &config.CORS{AllowedOrigins: []string{"https://a.example"}}},
		{Live: token, CORS: &config.CORS{AllowedOrigins: []string{"*"}}, Auth: &config.Auth{}},
	} {
		require.Empty(t, said(cfg, hosting.Machine))
		require.Empty(t, said(cfg, hosting.CloudRun))
	}
	local := said(config.Deployment{Live: token}, hosting.Machine)
	require.Len(t, local, 1)
	for _, part := range []string{`"live.token"`, "/orgs", "/notify", "/reset", "/config", `"auth"`, "everybody who reaches this process"} {
		require.Contains(t, local[0], part)
	}
	require.NotContains(t, local[0], "not for the log")
	require.NotContains(t, local[0], "\n")
	require.Contains(t, said(config.Deployment{Live: token}, hosting.CloudRun)[0], "IAM")
	require.Len(t, said(config.Deployment{CORS: &config.CORS{AllowedOrigins: []string{"https://a.example", "*"}}}, hosting.Machine), 1)
}
