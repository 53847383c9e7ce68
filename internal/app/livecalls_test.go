package app

import (
	"bytes"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/live"
)

// guarded returns a client as live has it on Cloud Run.
func guarded(t *testing.T, allow ...string) *http.Client {
	t.Helper()
	c, err := outbound.New(outbound.Options{Allow: allow, AllowSetting: "live.allowHosts", HTTPSetting: "live.allowHTTP", Attempts: 1, Timeout: time.Second})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c.HTTP()
}

func liveOf(l config.Live) *config.Config {
	return &config.Config{Deployment: config.Deployment{Live: &l}}
}

// Each URL of live that may not be called is named before anybody waits for it.
func TestUncallableLive(t *testing.T) {
	t.Parallel()
	cfg := liveOf(config.Live{
		Resolvers: []config.LiveResolver{
			{Entity: "a", URL: "https://10.0.0.1/{org}/{id}?key=s3cret"}, {Entity: "b", URL: "https://8.8.8.8/{id}"},
			{Entity: "c", URL: "http://8.8.8.8/{id}"}, {Entity: "d", URL: "https://10.9.9.9/{id}"},
		},
		PassThrough: &config.LivePassThrough{URL: "http://192.168.0.1/frames"},
		Token:       &config.LiveToken{JWKSURL: "https://172.16.0.1/keys"},
	})
	require.Equal(t, []string{
		"live.resolvers[0].url cannot be called: 10.0.0.1 is an internal address, which is not allowed here, unless live.allowHosts in the configuration lists it",
		"live.resolvers[2].url cannot be called: calls to 8.8.8.8 must use https, unless live.allowHTTP in the configuration is true",
		"live.passThrough.url cannot be called: calls to 192.168.0.1 must use https, unless live.allowHTTP in the configuration is true",
		"live.token.jwksURL cannot be called: 172.16.0.1 is an internal address, which is not allowed here, unless live.allowHosts in the configuration lists it",
	}, UncallableLive(cfg, guarded(t, "10.9.9.9")))
	var log bytes.Buffer
	a := &App{o: Options{Config: cfg, LiveHTTP: guarded(t), Log: slog.New(slog.NewTextHandler(&log, nil))}}
	a.warn()
	require.Contains(t, log.String(), "live.passThrough.url cannot be called", "the start says so, too")
	require.NotContains(t, log.String(), "s3cret")
	for _, none := range []*config.Config{{}, liveOf(config.Live{PassThrough: &config.LivePassThrough{Topic: "projects/p/topics/t"}, Token: &config.LiveToken{Secret: "s"}})} {
		require.Empty(t, UncallableLive(none, guarded(t)))
	}
}

// Entities whose resolver may not be called are told from those that clients can get.
func TestCanSend(t *testing.T) {
	t.Parallel()
	o := Options{LiveHTTP: guarded(t, "10.0.0.2"), Config: liveOf(config.Live{Resolvers: []config.LiveResolver{
		{Entity: "private", URL: "https://10.0.0.1/{id}"}, {Entity: "listed", URL: "https://10.0.0.2/{id}"}, {Entity: "broken", URL: "https://10.0.0.1:{id}/"},
	}})}
	list, err := o.newResolvers()
	require.NoError(t, err)
	a := &App{o: o, resolvers: list}
	keys := []live.Key{live.KeyOf("private", "1"), live.KeyOf("listed", "1"), live.KeyOf("acme/private", ""), live.KeyOf("broken", "x")}
	can, not := a.CanSend(t.Context(), keys)
	require.Equal(t, []live.Key{keys[1], keys[3]}, can)
	reason := "the resolver cannot be called: 10.0.0.1 is an internal address, which is not allowed here, unless live.allowHosts in the configuration lists it"
	require.Equal(t, []NotSent{{"private", "1", reason}, {"acme/private", "", reason}}, not)
}
