package functions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/credential"
)

// findings returns the findings of GET /doctor by their codes.
func (g *gateway) findings(headers ...string) (state string, byCode map[string][]map[string]any) {
	g.Helper()
	a := g.do("GET", "/doctor", "", headers...)
	require.Equal(g, 200, a.status, "%s", a.raw)
	require.NotContains(g, string(a.raw), "c4n4ry")
	byCode = make(map[string][]map[string]any)
	for _, f := range a.list("findings") {
		byCode[f["code"].(string)] = append(byCode[f["code"].(string)], f)
	}
	return a.str("state"), byCode
}

// The service examines itself: a topic that is gone, a secret that cannot be resolved, a source
// that does not answer, what sends nothing. It shows no secret.
func TestDoctor(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(oneService(`,"live":{"topic":"projects/test-project/topics/gone"},"publicURL":"https://gate.example.com",
		"echo":{"secrets":["env:ECHO_SECRET","sm://projects/p-1/secrets/gone"]},
		"hooks":[{"name":"h","verify":{"type":"bearer","secrets":["a c4n4ry as it is"]},"sync":"readings"}]`)))
	require.NoError(t, err)
	resolvable := true
	g := newGatewayWith(t, cfg, false, func(_ *gateway, o *app.Options) {
		o.Place.PubSub, o.Place.Serves, o.Place.LiveTopic, o.Place.URL = true, true, cfg.Live.Topic, cfg.PublicURL
		o.Secret = func(_ context.Context, ref string) (string, error) {
			if !resolvable && ref != "env:ECHO_SECRET" {
				return "", errors.New("there is no secret projects/p-1/secrets/gone/versions/latest")
			}
			if credential.IsReference(ref) {
				return "whsec_c4n4ryc4n4ryc4n4ryc4n4ryc4n4ry00", nil
			}
			return ref, nil
		}
	})
	resolvable = false
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	g.event("entry2", "x")

	state, found := g.findings()
	require.Equal(t, "error", state)
	require.Equal(t, "ok", found["store.writable"][0]["state"])
	require.Len(t, found["topic.missing"], 1)
	require.Equal(t, "gcloud pubsub topics create gone --project=test-project", found["topic.missing"][0]["fix"])
	require.Contains(t, found["secret.missing"][0]["fix"], "gcloud secrets create gone --project=p-1")
	require.Contains(t, found["secret.resolvable"][0]["text"], "env:ECHO_SECRET")
	require.Contains(t, found["source.reachable"][0]["text"], `"readings"`)
	require.Len(t, found["endpoint.silent"], 1)
	require.Contains(t, found["endpoint.silent"][0]["text"], `"entry1"`)
	require.Contains(t, found["hook.silent"][0]["text"], `"h"`)
	require.Equal(t, "error", found["sweep.never"][0]["state"], "no scheduler called here")
	require.Equal(t, "notChecked", found["clock.skew"][0]["state"])

	require.Equal(t, 200, g.do("POST", "/hooks/h", `{}`, "Authorization", "Bearer a c4n4ry as it is", "Idempotency-Key", "1").status)
	require.NoError(t, g.dir.Remove("readings.csv"))
	g.event("entry1", "x")
	for range 3 {
		require.Equal(t, 200, g.do("POST", "/sweep", "").status)
		require.Equal(t, 200, g.do("POST", "/webhooks/sweep", "").status)
		g.advance(time.Minute)
	}
	_, found = g.findings()
	require.Contains(t, found["source.unreachable"][0]["fix"], "sync run readings --validate")
	require.Empty(t, found["endpoint.silent"])
	require.Empty(t, found["hook.silent"])
	require.Len(t, found["sweep.recent"], 2, "that of the service, and that of webhooks")
	g.advance(time.Hour)
	_, found = g.findings()
	require.Contains(t, found["sweep.late"][0]["text"], "is late by 60 intervals of 1 minute")
}

// Starts of instances sweep as well, and are no sign that a scheduler calls.
func TestDoctorKnowsWhoSweeps(t *testing.T) {
	t.Parallel()
	for _, background := range []bool{true, false} {
		g := newGatewayOn(t, oneService(""), background)
		_, err := g.app.Gates()[0].Sweep(t.Context())
		require.NoError(t, err)
		_, found := g.findings()
		require.Equal(t, background, found["sweep.recent"] != nil)
		require.Equal(t, background, found["sweep.never"] == nil)
	}
}

// A store that is down is a finding, and so is all that needs it: nothing of that is ok.
func TestDoctorWithoutStore(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.store.set(true)
	state, found := g.findings()
	require.Equal(t, "error", state)
	require.Equal(t, "error", found["store.unwritable"][0]["state"])
	require.Equal(t, "notChecked", found["sweep.recent"][0]["state"])
	require.Equal(t, "notChecked", found["source.reachable"][0]["state"])
	g.store.set(false)
	_, found = g.findings()
	require.Equal(t, "ok", found["store.writable"][0]["state"])
}

// Only who may operate examines: it calls other systems.
func TestDoctorNeedsOperate(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("c4n4ry-operate"))
	reader := sha256.Sum256([]byte("c4n4ry-read"))
	g := newGateway(t, oneService(fmt.Sprintf(`,"auth":{"tokens":[{"name":"o","sha256":%q,"roles":["operate"]},{"name":"r","sha256":%q,"roles":["read"]}]}`,
		hex.EncodeToString(sum[:]), hex.EncodeToString(reader[:]))))
	require.Equal(t, 401, g.do("GET", "/doctor", "").status)
	requireProblem(t, g.do("GET", "/doctor", "", "Authorization", "Bearer c4n4ry-read"), 403, "not allowed")
	state, found := g.findings("Authorization", "Bearer c4n4ry-operate")
	require.Equal(t, "error", state)
	require.Contains(t, found["sweep.never"][0]["fix"], "gcloud scheduler jobs create http")
	require.Equal(t, 405, g.do("HEAD", "/doctor", "", "Authorization", "Bearer c4n4ry-operate").status)
	require.Equal(t, 403, g.do("GET", "/doctor", "", "Authorization", "Bearer c4n4ry-operate", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").status)
}
