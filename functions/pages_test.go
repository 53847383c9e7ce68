package functions

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listings has, by the path of a route that answers in pages, lists of which a full gateway
// has several items.
var listings = map[string][]string{
	"/audit": {"?", "?action=putRecord", "?object=/orgs/o/t&since=2026-01-01T00:00:00Z"},
	"/messages": {
		"?", "?state=published", "?completion=complete", "?since=2026-05-01T12:00:02Z", "?until=2026-05-01T12:00:03Z",
		"?target=pubsub", "?target=pubsub&since=2026-05-01T12:00:02Z", "?targetState=delivered",
	},
	"/windows":             {"?", "?state=open", "?key=open0"},
	"/sync/{id}/rejects":   {"?", "?reason=" + url.QueryEscape("… is not a number")},
	"/sync/{id}/conflicts": {"?"},
	"/sync/{id}/data":      {"?"},
	"/orgs/{org}/{type}":   {"?", "?deleted=true"},
}

// A page has as many items as it may. It names a next page if, and only if, one follows, and
// the pages together have each item once, in the order of the list.
func TestOnlyTheLastPageHasNoNext(t *testing.T) {
	t.Parallel()
	g := fullGateway(t)
	for _, rt := range routes {
		for _, p := range rt.doc.parameters {
			if !strings.HasPrefix(p.text, "The `next` of the page before.") {
				continue
			}
			require.NotEmpty(t, listings[rt.path], "%s answers in pages", rt.path)
			for _, query := range listings[rt.path] {
				path := strings.NewReplacer("{id}", "readings", "{org}", "acme", "{type}", "reading").Replace(rt.path) + query
				t.Run(path, func(t *testing.T) { pagesAreWhole(t, g, path, p.name) })
			}
		}
	}
}

func pagesAreWhole(t *testing.T, g *gateway, path, after string) {
	page := func(limit int, cursor string) (items []any, next string) {
		target := fmt.Sprintf("%s&limit=%d", path, limit)
		if cursor != "" {
			target += "&" + after + "=" + url.QueryEscape(cursor)
		}
		a := g.do("GET", target, "")
		require.Equal(t, 200, a.status, "%s: %s", target, a.raw)
		require.Contains(t, a.json, "next")
		next, _ = a.json["next"].(string)
		for _, v := range a.json {
			if list, ok := v.([]any); ok {
				return list, next
			}
		}
		t.Fatalf("%s has no list: %s", target, a.raw)
		return nil, ""
	}
	all, next := page(maxPage, "")
	require.Empty(t, next)
	require.Greater(t, len(all), 1, "a list of one item shows nothing")
	for limit := 1; limit <= len(all); limit++ {
		var read []any
		for cursor := ""; ; {
			items, next := page(limit, cursor)
			require.Len(t, items, min(limit, len(all)-len(read)), "limit %d", limit)
			read = append(read, items...)
			require.Equal(t, len(read) < len(all), next != "", "limit %d: next after %d of %d", limit, len(read), len(all))
			if cursor = next; cursor == "" {
				break
			}
		}
		require.Equal(t, all, read, "limit %d", limit)
	}
}

// fullGateway returns a gateway that has several items of each listing, and after the last
// item of a filter others that the filter leaves out.
func fullGateway(t *testing.T) *gateway {
	t.Helper()
	g := newGateway(t, strings.Replace(windowed(`,"window":"tumbling","every":"hour","eventTime":"event.body.at","grace":7200`, "", byOrder), `"observationPeriod":3600,`, "", 1))
	send := func(key, order, at string) {
		g.event(key, fmt.Sprintf(`{"order":%q,"at":"2026-05-01T%s:00Z"}`, order, at))
	}
	for n := range 4 {
		g.advance(time.Second)
		send("entry1", fmt.Sprint("done", n), "12:00")
		send("entry2", fmt.Sprint("done", n), "12:00")
	}
	for n := range 3 {
		send("entry1", fmt.Sprint("open", n), "11:30")
		send("entry1", fmt.Sprint("open", n), "12:00")
	}
	for n := range 3 {
		require.Equal(t, 201, g.do("PUT", fmt.Sprintf("/orgs/o/t/%d", n), `{}`).status)
	}
	rows := "w0,2026-01-05,1\nw1,2026-01-05,1\nw2,2026-01-05,1\nw3,2026-01-05,1\nw9,2026-01-05,1\n"
	g.file("readings.csv", "well,at,value\n"+rows+"x1,2026-01-05,a\nx2,2026-01-05,b\nx3,2026-01-05,c\nx4,2026-01-05,\n")
	g.define(readingsSync(`,"conflict":"manual"`))
	g.runSync("readings", "")
	records := g.do("GET", "/orgs/acme/reading", "").list("records")
	require.Len(t, records, 5)
	for _, r := range records[:3] {
		require.Equal(t, 200, g.do("PATCH", "/orgs/acme/reading/"+url.PathEscape(r["id"].(string)), `{"value":3}`).status)
	}
	g.file("readings.csv", "well,at,value\n"+strings.ReplaceAll(rows, ",1\n", ",2\n")+"x1,2026-01-05,a\nx2,2026-01-05,b\nx3,2026-01-05,c\nx4,2026-01-05,\n")
	g.runSync("readings", "")
	require.Equal(t, 204, g.do("DELETE", "/orgs/acme/reading/"+url.PathEscape(records[4]["id"].(string)), "").status)
	return g
}
