package functions

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMessagesPagingAndReplay(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	var ids []string
	for range 5 {
		g.event("entry1", "a")
		ids = append([]string{g.event("entry2", "b").str("triggered")}, ids...)
		g.advance(time.Second)
	}
	var got []string
	for after := ""; ; {
		a := g.do("GET", "/messages?limit=2&state=published"+after, "")
		for _, m := range a.json["messages"].([]any) {
			got = append(got, m.(map[string]any)["eventID"].(string))
		}
		if a.json["next"] == nil {
			break
		}
		after = "&after=" + a.str("next")
	}
	require.Equal(t, ids, got)
	require.Empty(t, g.do("GET", "/messages?state=claimed", "").json["messages"])
	for _, bad := range []string{"limit=0", "limit=1001", "limit=x", "after=!", "after=eA", "state=x", "unknown=1", "limit=1&limit=2", "limit=%zz"} {
		require.Equal(t, 400, g.do("GET", "/messages?"+bad, "").status, bad)
	}
	// Firestore accepts neither such a late date nor such a long id.
	for _, bad := range []string{"1y2p0ij32e8e7." + ids[0], "-1y2p0ij32e8e7." + ids[0], "0." + strings.Repeat("a", 2000)} {
		require.Equal(t, 400, g.do("GET", "/messages?after="+base64.RawURLEncoding.EncodeToString([]byte(bad)), "").status, bad)
	}
	settled := g.store.settled
	require.Equal(t, 200, g.do("POST", "/messages/"+ids[0]+"/replay", "").status)
	require.Equal(t, settled, g.store.settled, "the time of the first publication stays")
	all := g.bus.all()
	require.Equal(t, all[4], all[5], "the same message, the same ids")
	require.Equal(t, 404, g.do("GET", "/messages/nope", "").status)
	require.Equal(t, 404, g.do("POST", "/messages/nope/replay", "").status)

	g.advance(60 * 24 * time.Hour)
	require.Positive(t, g.do("POST", "/sweep", "").num("purged"))
	require.Equal(t, 404, g.do("GET", "/messages/"+ids[0], "").status, "its time is up")
}

func TestClaimCheck(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"maxMessageBytes":2000,"publicURL":"https://h.example.com"`))
	body := strings.Repeat("x", 3000)
	g.event("entry1", body)
	id := g.event("entry2", "small").str("triggered")
	m := g.bus.all()[0]
	require.LessOrEqual(t, len(m.Data), 2000)
	require.Equal(t, "true", m.Attributes["claimCheck"])
	var check map[string]any
	require.NoError(t, json.Unmarshal(m.Data, &check))
	url := check["contentURL"].(string)
	require.Equal(t, "https://h.example.com/services/My%20First%20Event%20Sync/messages/"+id, url)
	require.NotContains(t, string(m.Data), `"content":`)
	a := g.do("GET", strings.TrimPrefix(url, "https://h.example.com"), "")
	require.Contains(t, string(a.raw), body, "contentURL serves the whole message")

	for i := range 30 { // so many that even their envelopes are too large
		g.event("entry1", fmt.Sprint(i), "X-Long", strings.Repeat("h", 100))
	}
	g.event("entry2", "x")
	last := g.bus.all()[1]
	require.LessOrEqual(t, len(last.Data), 2000)
	require.Contains(t, string(last.Data), `"numberOfEvents":30`)
}

// If even the smallest claim check is over the limit, the message must still be published.
func TestTheSmallestClaimCheckGoesOutWhateverTheLimit(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(oneService(`,"maxMessageBytes":1024`), "My First Event Sync", strings.Repeat("n", 2000), 1))
	g.event("entry1", "a")
	require.NotEmpty(t, g.event("entry2", "b").str("triggered"))
	require.Len(t, g.bus.all(), 1)
	require.Contains(t, string(g.bus.all()[0].Data), `"contentURL"`)
	require.Equal(t, "true", g.bus.all()[0].Attributes["claimCheck"])
}
