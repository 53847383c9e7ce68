package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/live"
)

// The error is logged, and the log must not have a signed URL.
func TestPassThroughDoesNotRepeatTheURL(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	a := &App{o: Options{
		Config:   &config.Config{Deployment: config.Deployment{Live: &config.Live{PassThrough: &config.LivePassThrough{URL: srv.URL + "/frames?sig=s3cret"}}}},
		LiveHTTP: srv.Client(),
	}}
	err := a.passThrough(t.Context(), "", []byte(`{}`))
	require.ErrorContains(t, err, "live.passThrough.url answers 404")
	require.NotContains(t, err.Error(), "s3cret")

	srv.Close()
	err = a.passThrough(t.Context(), "", []byte(`{}`))
	require.ErrorContains(t, err, "live.passThrough.url does not answer")
	require.NotContains(t, err.Error(), "s3cret")
}

// A frame never arrives without the secret that its client has.
func TestPassThroughOfSecretsThatCannotBeCarried(t *testing.T) {
	t.Parallel()
	const topic = "projects/p/topics/frames"
	got := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get(live.SecretHeader) }))
	defer srv.Close()
	over := func(to config.LivePassThrough) *App {
		return &App{o: Options{
			Config:   &config.Config{Deployment: config.Deployment{Live: &config.Live{PassThrough: &to}}},
			LiveHTTP: srv.Client(), Bus: localbus.New(topic),
		}}
	}
	for name, c := range map[string]struct {
		app       *App
		good, bad string
	}{
		"topic": {over(config.LivePassThrough{Topic: topic}), strings.Repeat("x", 1024), strings.Repeat("x", 1025)},
		"url":   {over(config.LivePassThrough{URL: srv.URL}), strings.Repeat("é", 4096), "a\nb"},
	} {
		var bad *live.SecretError
		require.ErrorAs(t, c.app.passThrough(t.Context(), c.bad, []byte("null")), &bad, name)
		require.NotContains(t, bad.Error(), c.bad, name)
		require.NoError(t, c.app.passThrough(t.Context(), c.good, []byte("null")), name)
	}
	require.Equal(t, strings.Repeat("é", 4096), <-got)
	require.Empty(t, got)
}

// Rows may hold the time. The version that the configuration asks for says whether an answer
// is new, so such rows are not pushed again at each comparison.
func TestTheConfiguredVersionReachesTheResolver(t *testing.T) {
	t.Parallel()
	var answers atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `[{"revision":7,"at":%d}]`, answers.Add(1))
	}))
	defer srv.Close()
	o := Options{
		Config: &config.Config{Deployment: config.Deployment{Live: &config.Live{Resolvers: []config.LiveResolver{
			{Entity: "acme/reports", URL: srv.URL, Version: "body[0].revision"}, {Entity: "plain", URL: srv.URL},
		}}}},
		LiveHTTP: srv.Client(),
	}
	list, err := o.newResolvers()
	require.NoError(t, err)
	a := &App{o: o, resolvers: list}
	versions := func(k live.Key) (two []string) {
		for range 2 {
			s, err := a.resolver(k).Resolve(t.Context(), k, "")
			require.NoError(t, err)
			two = append(two, s.Version)
		}
		return two
	}
	with := versions(live.KeyOf("acme/reports", "1"))
	require.Equal(t, with[0], with[1])
	without := versions(live.KeyOf("plain", "1"))
	require.NotEqual(t, without[0], without[1])
	require.Nil(t, a.resolver(live.KeyOf("reports", "1")), "of another organisation")

	o.Config.Live.Resolvers[1].Version = "body["
	_, err = o.newResolvers()
	require.ErrorContains(t, err, "live.resolvers[1].version")
}

// A resolver has the type that it names in every organisation, or in the one that it names.
func TestResolverServesOneMeaning(t *testing.T) {
	t.Parallel()
	keys := []live.Key{{Org: "default", Type: "items", ID: "1"}, {Org: "acme", Type: "items", ID: "1"}, {Org: "default", Type: "acme/items", ID: "1"}, {Org: "default", Type: "acme", ID: "items"}}
	for entity, want := range map[string][]bool{
		"items":              {true, true, false, false},
		"acme/items":         {false, true, false, false},
		"default/items":      {true, false, false, false},
		"default/acme/items": {false, false, true, false},
		"acme":               {false, false, false, true},
	} {
		for i, k := range keys {
			require.Equal(t, want[i], serves(entity, k), "%s: %v", entity, k)
		}
	}
}
