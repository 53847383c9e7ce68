package functions

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const codedReadings = "well,at,code,value\nw1,2026-01-05,a,8.75\nw1,2026-01-12,b,8.8\nw2,2026-01-05,c,3\n"

// rekeyed returns the definition of readingsSync with the key "code".
func rekeyed() string {
	return strings.Replace(readingsSync(""), `"key":["well","at"]`, `"key":["code"]`, 1)
}

// A plan stores nothing; confirmed, the records keep their rows under the new key.
func TestASyncIsRelinked(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", codedReadings)
	g.define(readingsSync(""))
	require.Equal(t, 3, g.runSync("readings", "").count("created"))
	requireProblem(t, g.do("POST", "/sync/readings/relink", ""), 409, "there is nothing to link anew")
	requireProblem(t, g.do("POST", "/sync/none/relink", ""), 404, `no sync "none"`)
	requireProblem(t, g.do("POST", "/sync/readings/relink?confirm=perhaps", ""), 400, "confirm")
	requireProblem(t, g.do("POST", "/sync/readings/relink?confirmed=true", ""), 400, "confirmed")

	require.Equal(t, 200, g.do("PUT", "/sync/readings", rekeyed()).status)
	requireProblem(t, g.do("POST", "/sync/readings/run", ""), 409, "relink the sync")
	for _, path := range []string{"/sync/readings/relink", "/sync/readings/relink?confirm=false", "/sync/readings/relink?confirm=true"} {
		a := g.do("POST", path, "")
		require.Equal(t, 200, a.status, "%s", a.raw)
		require.Equal(t, strings.HasSuffix(path, "=true"), a.json["stored"], path)
		reading := a.json["datatypes"].(map[string]any)["reading"].(map[string]any)
		require.InDelta(t, 3, reading["linked"], 0)
		require.InDelta(t, 0, reading["rowsWithoutRecord"], 0)
		require.Equal(t, []any{"code"}, reading["to"])
	}
	run := g.runSync("readings", "")
	require.Zero(t, run.count("created")+run.count("updated")+run.count("deleted"))
	require.Len(t, g.do("GET", "/orgs/acme/reading", "").list("records"), 3)
	requireProblem(t, g.do("POST", "/sync/readings/relink?confirm=true", ""), 409, "there is nothing to link anew")
}

// Keys that do not identify a row are refused, also when it was confirmed.
func TestRelinkingIsRefused(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", codedReadings)
	g.define(readingsSync(""))
	g.runSync("readings", "")
	require.Equal(t, 200, g.do("PUT", "/sync/readings", strings.Replace(rekeyed(), `["code"]`, `["well"]`, 1)).status)
	for _, path := range []string{"/sync/readings/relink", "/sync/readings/relink?confirm=true"} {
		requireProblem(t, g.do("POST", path, ""), 409, `two rows have the new key "w1"`)
	}
	requireProblem(t, g.do("POST", "/sync/readings/run", ""), 409, "relink the sync")
}

// While a run is at work the definition stays, and so do the links. The answer names the run.
func TestARunAtWorkIsNotRelinked(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(""), true)
	source := g.holdSync()
	run := g.do("POST", "/sync/held/run", "")
	require.Equal(t, 202, run.status, "%s", run.raw)
	<-source.reached
	for _, path := range []string{"/sync/held/relink", "/sync/held/relink?confirm=true"} {
		requireProblem(t, g.do("POST", path, ""), 409, "run "+run.str("id")+" is at work")
	}
	source.open()
}

func TestWhoMayRelink(t *testing.T) {
	t.Parallel()
	sum := func(s string) string { b := sha256.Sum256([]byte(s)); return hex.EncodeToString(b[:]) }
	g := newGateway(t, oneService(`,"auth":{"tokens":[
		{"name":"reader","sha256":"`+sum("r")+`","roles":["read"]},{"name":"sender","sha256":"`+sum("s")+`","roles":["ingest"]},
		{"name":"operator","sha256":"`+sum("o")+`","roles":["operate","read"]}]}`))
	for token, status := range map[string]int{"": 401, "x": 401, "r": 403, "s": 403, "o": 404} {
		a := g.do("POST", "/sync/none/relink", "", "Authorization", "Bearer "+token)
		require.Equal(t, status, a.status, "as %q: %s", token, a.raw)
	}
}
