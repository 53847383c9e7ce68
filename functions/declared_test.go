package functions

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
)

// Requests run and read a declared sync, and cannot change it. Its answer says why.
func TestADeclaredSyncBelongsToTheConfiguration(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"onMessage":{"sync":"readings"},"syncs":[`+readingsSync("")+`]`))
	g.file("readings.csv", threeReadings)
	require.Equal(t, 3, g.runSync("readings", "").count("created"), "the first request finds it")
	one := g.do("GET", "/sync/readings", "")
	require.Equal(t, "config", one.str("owner"))
	require.Equal(t, "config", g.do("GET", "/sync", "").list("syncs")[0]["owner"])
	for _, a := range []answer{
		g.do("POST", "/sync", readingsSync("")),
		g.do("PUT", "/sync/readings", readingsSync(`,"name":"theirs"`)),
		g.do("DELETE", "/sync/readings", ""),
	} {
		require.Equal(t, 409, a.status, "%s", a.raw)
		require.Contains(t, a.str("detail"), "the configuration declares the sync")
	}
	require.Equal(t, one.raw, g.do("GET", "/sync/readings", "").raw)
	g.define(strings.Replace(readingsSync(""), `"readings"`, `"mine"`, 1))
	require.Equal(t, 204, g.do("DELETE", "/sync/mine", "").status, "other syncs are free")
	require.NotContains(t, string(g.do("GET", "/config", "").raw), "readings.csv")
}

// A process that starts with a configuration from which a sync has disappeared keeps the
// sync, and says so in its log and its answers.
func TestASyncThatDisappearsFromTheConfigurationIsReported(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"syncs":[`+readingsSync("")+`]`))
	g.app.Start()
	require.Eventually(t, func() bool { return len(g.do("GET", "/sync", "").list("syncs")) == 1 }, time.Minute, 10*time.Millisecond)
	cfg, err := config.Parse([]byte(oneService("")))
	require.NoError(t, err)
	later := newGatewayWith(t, cfg, false, func(_ *gateway, o *app.Options) { o.Store = keptOpen{g.store} })
	require.Empty(t, later.do("POST", "/sync/due", "").list("started"))
	require.Contains(t, later.logs.String(), `msg="the configuration no longer declares a sync, which goes on as it was: delete it, or declare it again" syncId=readings`)
	require.Equal(t, "dropped", later.do("GET", "/sync/readings", "").str("owner"))
	const says = `the configuration declared the sync \"readings\" (in \"syncs\") and does so no longer, so it goes on as it was: delete it, change it by a request, or declare it again`
	require.Contains(t, string(later.do("GET", "/status", "").raw), says)
	require.Contains(t, string(later.do("GET", "/doctor", "").raw), says)
	require.Equal(t, 200, later.do("PUT", "/sync/readings", readingsSync(`,"name":"ours"`)).status)
	require.NotContains(t, later.do("GET", "/sync/readings", "").json, "owner")
	require.NotContains(t, string(later.do("GET", "/status", "").raw), "readings", "it belongs to requests now")
	require.NotContains(t, string(later.do("GET", "/doctor", "").raw), "sync.dropped")
}

// keptOpen is a store that two processes use; the first one closes it.
type keptOpen struct{ app.Store }

func (keptOpen) Close() error { return nil }

// An app refuses to begin with a declared definition that it could not run.
func TestFaultsOfDeclaredSyncsStopTheStart(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(oneService(`,"syncs":[{"id":"a","colour":"red"}]`)))
	require.NoError(t, err)
	_, err = app.New(app.Options{Config: cfg, Log: slog.New(slog.DiscardHandler)})
	var faults *config.Error
	require.ErrorAs(t, err, &faults)
	require.Contains(t, err.Error(), "$.syncs[0].colour: ")
	require.Contains(t, err.Error(), "$.syncs[0].orgId: is required")
}
