package functions

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Messages are found by id, and by the time at which they were claimed. Pages of a span have
// each of its messages once.
func TestMessagesAreFound(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	began := g.clock()
	var ids []string
	for range 5 {
		g.event("entry1", "a")
		ids = append([]string{g.event("entry2", "b").str("triggered")}, ids...)
		g.advance(time.Minute)
	}
	of := func(query string) (found []string, next string) {
		a := g.do("GET", "/messages?"+query, "")
		require.Equal(t, 200, a.status, "%s: %s", query, a.raw)
		for _, m := range a.list("messages") {
			found = append(found, m["eventID"].(string))
		}
		next, _ = a.json["next"].(string)
		return found, next
	}
	one, next := of("eventID=" + ids[2])
	require.Equal(t, []string{ids[2]}, one)
	require.Empty(t, next)
	none, _ := of("eventID=" + strings.Repeat("0", 32))
	require.Empty(t, none)

	at := func(minutes int) string {
		return url.QueryEscape(began.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339))
	}
	late, _ := of("since=" + at(3))
	require.Equal(t, ids[:2], late)
	early, _ := of("until=" + at(3))
	require.Equal(t, ids[2:], early, "until is not included")
	var between []string
	for query := "limit=1&since=" + at(1) + "&until=" + at(4); ; {
		page, next := of(query)
		between = append(between, page...)
		if next == "" {
			break
		}
		query = "limit=1&since=" + at(1) + "&until=" + at(4) + "&after=" + next
	}
	require.Equal(t, ids[1:4], between)
	for _, last := range []string{"limit=5", "limit=3&until=" + at(3), "limit=2&since=" + at(3)} {
		_, next := of(last)
		require.Empty(t, next, "%s: a full page that nothing follows is the last one", last)
	}
	for _, bad := range []string{"since=yesterday", "until=1", "eventID=a&state=claimed"} {
		require.Equal(t, 400, g.do("GET", "/messages?"+bad, "").status, bad)
	}
}

// The keys for which events wait are counted as far as the caller allows to read.
func TestKeysAreCounted(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored"`, `,"minNbOfOccurrence":3`, byOrder))
	for n := range 7 {
		g.event("entry1", fmt.Sprintf(`{"order":%d}`, n%4))
		g.advance(time.Second)
	}
	counted := func(most int) any {
		return g.do("GET", fmt.Sprintf("/windows?limit=1&count=%d", most), "").json["count"]
	}
	require.Equal(t, map[string]any{"keys": 4.0, "more": false}, counted(7))
	require.Equal(t, map[string]any{"keys": 2.0, "more": true}, counted(2))
	require.NotContains(t, g.do("GET", "/windows", "").json, "count")
	for _, bad := range []string{"0", "200001", "all"} {
		require.Equal(t, 400, g.do("GET", "/windows?count="+bad, "").status, bad)
	}
}

// Rejects are counted by reason, without the values of their rows, and listed by reason.
func TestRejectsByReason(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", "well,at,value\nw1,2026-01-05,8\nw2,2026-01-05,low\nw3,2026-01-05,high\nw4,2026-01-05,\n")
	g.define(readingsSync(`,"maxRejected":1`))
	require.Equal(t, "partial", g.runSync("readings", "").str("state"))
	a := g.do("GET", "/sync/readings/rejects?limit=1&summary=true", "")
	require.Len(t, a.list("rejects"), 1)
	summary, _ := a.json["summary"].(map[string]any)
	require.Equal(t, 3.0, summary["total"])
	reasons := field(summary["reasons"], 0).(map[string]any)
	require.Equal(t, []any{"value", "… is not a number", 2.0}, []any{reasons["field"], reasons["reason"], reasons["count"]})
	require.Len(t, summary["reasons"], 2)

	query := "/sync/readings/rejects?limit=1&reason=" + url.QueryEscape("… is not a number")
	first := g.do("GET", query, "")
	second := g.do("GET", query+"&after="+first.str("next"), "")
	var found []string
	for _, r := range append(first.list("rejects"), second.list("rejects")...) {
		found = append(found, r["reason"].(string))
	}
	require.ElementsMatch(t, []string{`"low" is not a number`, `"high" is not a number`}, found)
	require.Empty(t, g.do("GET", "/sync/readings/rejects?reason=none", "").list("rejects"))
}

// A list of syncs says how the latest run of each ended, and when it is due.
func TestSyncsWithTheirLatestRuns(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(`,"frequency":"hourly"`))
	g.define(strings.Replace(readingsSync(""), "readings", "never", 1))
	list := func(query string) map[string]map[string]any {
		out := map[string]map[string]any{}
		for _, s := range g.do("GET", "/sync"+query, "").list("syncs") {
			out[s["id"].(string)] = s
		}
		return out
	}
	due := g.clock().Truncate(time.Hour).Add(time.Hour).Format(time.RFC3339)
	require.Equal(t, due, list("")["readings"]["next"])
	require.NotContains(t, list("")["never"], "next")
	g.runSync("readings", "")
	require.NotContains(t, list("")["readings"], "lastRun")
	last, _ := list("?runs=true")["readings"]["lastRun"].(map[string]any)
	require.Equal(t, "finished", last["state"])
	require.Equal(t, 3.0, field(last, "counts").(map[string]any)["created"])
	require.NotEmpty(t, last["finishedAt"])
	require.NotContains(t, list("?runs=true")["never"], "lastRun")
	g.file("readings.csv", "nothing")
	g.runSync("readings", "")
	failed, _ := list("?runs=true")["readings"]["lastRun"].(map[string]any)
	require.Equal(t, "failed", failed["state"])
	require.NotEmpty(t, failed["error"])
}
