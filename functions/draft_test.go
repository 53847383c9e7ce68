package functions

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
)

// desk is Headgate with a draft of the mock source.
type desk struct {
	*gateway
	source *mock.ExternalData
	url    string
}

func newDesk(t *testing.T) *desk {
	d := &desk{source: mock.NewExternalData(mock.Options{})}
	srv := httptest.NewServer(d.source)
	t.Cleanup(srv.Close)
	d.url = srv.URL
	d.gateway = newGateway(t, oneService(`,"drafts":[
		{"name":"task-list-1","externalData":{"url":"`+d.url+`"}},
		{"name":"second","externalData":{"url":"`+d.url+`","list":"task-list-2"}},
		{"name":"items","records":{"orgId":"default","type":"items"}}]`))
	return d
}

func (d *desk) set(t *testing.T, tasks string) {
	t.Helper()
	status, body := post(t, d.url+"/set-tasks/task-list-1", `{"taskList":`+tasks+`}`)
	require.Equal(t, 200, status, body)
	// The source's webhook.
	require.Equal(t, 200, d.do("POST", "/echo-external-data-webhook", `{"data":`+tasks+`}`).status)
}

func (a answer) at(path ...string) any {
	var v any = a.json
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

const alphaBeta = `{"12":{"name":"Alpha","priority":1},"34":{"name":"Beta","priority":2}}`

func TestDraft(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.set(t, alphaBeta)
	first := d.do("GET", "/drafts/task-list-1", "")
	require.Equal(t, 200, first.status, "%s", first.raw)
	require.Equal(t, "Alpha", first.at("draft", "12", "name"))
	require.Equal(t, false, first.json["edited"])

	edited := d.do("PATCH", "/drafts/task-list-1", `{"by":"Ada","rows":{"12":{"name":"Alef"},"56":{"name":"Gimel","priority":3},"34":null}}`)
	require.Equal(t, 200, edited.status, "%s", edited.raw)
	require.Equal(t, "Ada", edited.str("changedBy"))
	require.Empty(t, edited.list("flags"), "a local edit is not flagged")
	require.Nil(t, edited.at("draft", "34"))

	// Two fields change outside: one that we edited, one that we did not.
	d.set(t, `{"12":{"name":"Alfa","priority":7},"34":{"name":"Beta","priority":2}}`)
	now := d.do("GET", "/drafts/task-list-1", "")
	require.Len(t, now.list("flags"), 2, "%s", now.raw)
	require.Equal(t, "Alef", now.at("draft", "12", "name"), "the draft is ours")
	refused := d.do("POST", "/drafts/task-list-1/save", "")
	requireProblem(t, refused, 409, "2 changes at the source")
	require.Len(t, refused.at("draft", "flags"), 2, "a save does not overwrite a change that nobody saw")

	require.Len(t, d.do("POST", "/drafts/task-list-1/keep", `{"row":"12","field":"name"}`).list("flags"), 1)
	accepted := d.do("POST", "/drafts/task-list-1/accept", `{"row":"12","field":"priority"}`)
	require.Empty(t, accepted.list("flags"))
	require.Equal(t, 7.0, accepted.at("draft", "12", "priority"))
	saved := d.do("POST", "/drafts/task-list-1/save", `{"by":"Ben"}`)
	require.Equal(t, 200, saved.status, "%s", saved.raw)
	require.Equal(t, false, saved.json["edited"])
	_, body := get(t, d.url+"/fetch-tasks/task-list-1")
	require.JSONEq(t, `{"taskList":{"12":{"name":"Alef","priority":7},"56":{"name":"Gimel","priority":3}}}`, body)

	d.do("PATCH", "/drafts/task-list-1", `{"rows":{"12":{"name":"Once more"}}}`)
	require.Equal(t, "Alef", d.do("POST", "/drafts/task-list-1/discard", "").at("draft", "12", "name"))
	require.Equal(t, 200, d.do("GET", "/drafts/second", "").status)
}

// Each fault of Fluid's client, by name.
func TestFluidClientFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, d *desk){
		"a purely local edit was shown as an outside change": func(t *testing.T, d *desk) {
			require.Empty(t, d.do("PATCH", "/drafts/task-list-1", `{"rows":{"12":{"name":"x"}}}`).list("flags"))
			d.set(t, alphaBeta) // nothing new
			require.Empty(t, d.do("GET", "/drafts/task-list-1", "").list("flags"))
		},
		"rows deleted outside stayed in the draft and came back on save": func(t *testing.T, d *desk) {
			d.set(t, `{"12":{"name":"Alpha","priority":1}}`)
			flags := d.do("GET", "/drafts/task-list-1", "").list("flags")
			require.Equal(t, "deleted", flags[0]["kind"])
			require.Equal(t, "34", flags[0]["row"])
			require.Equal(t, 409, d.do("POST", "/drafts/task-list-1/save", "").status)
			d.do("POST", "/drafts/task-list-1/accept", `{"row":"34"}`)
			require.Equal(t, 200, d.do("POST", "/drafts/task-list-1/save", "").status)
			_, body := get(t, d.url+"/fetch-tasks/task-list-1")
			require.NotContains(t, body, "Beta")
		},
		"save reported success on network errors": func(t *testing.T, d *desk) {
			d.do("PATCH", "/drafts/task-list-1", `{"rows":{"12":{"name":"x"}}}`)
			d.source.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
			require.Equal(t, 503, d.do("POST", "/drafts/task-list-1/save", "").status)
			d.source.SetFaults(nil)
			require.Equal(t, true, d.do("GET", "/drafts/task-list-1", "").json["edited"], "the draft stays")
		},
		"save overwrote concurrent changes": func(t *testing.T, d *desk) {
			d.do("PATCH", "/drafts/task-list-1", `{"rows":{"12":{"name":"ours"}}}`)
			// The source changes, and no webhook arrives.
			status, _ := post(t, d.url+"/set-tasks/task-list-1", `{"taskList":{"12":{"name":"theirs","priority":1},"34":{"name":"Beta","priority":2}}}`)
			require.Equal(t, 200, status)
			a := d.do("POST", "/drafts/task-list-1/save", "")
			require.Equal(t, 409, a.status)
			_, body := get(t, d.url+"/fetch-tasks/task-list-1")
			require.Contains(t, body, "theirs")
			d.do("POST", "/drafts/task-list-1/keep", "")
			require.Equal(t, 200, d.do("POST", "/drafts/task-list-1/save", "").status)
			_, body = get(t, d.url+"/fetch-tasks/task-list-1")
			require.Contains(t, body, "ours")
		},
		"no way to keep one's own value": func(t *testing.T, d *desk) {
			d.do("PATCH", "/drafts/task-list-1", `{"rows":{"12":{"name":"ours"}}}`)
			d.set(t, strings.Replace(alphaBeta, "Alpha", "theirs", 1))
			kept := d.do("POST", "/drafts/task-list-1/keep", `{"row":"12"}`)
			require.Empty(t, kept.list("flags"))
			require.Equal(t, "ours", kept.at("draft", "12", "name"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.set(t, alphaBeta)
			require.Equal(t, 200, d.do("GET", "/drafts/task-list-1", "").status)
			test(t, d)
		})
	}
}

// A decision counts only for the version that the person saw. Here the source changes once
// more just before the decision.
func TestDecideAboutWhatIsSeen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.set(t, alphaBeta)
	d.do("PATCH", "/drafts/task-list-1", `{"rows":{"12":{"name":"ours"}}}`)
	d.set(t, strings.Replace(alphaBeta, "Alpha", "theirs", 1))
	seen := quoted(d.do("GET", "/drafts/task-list-1", "").str("sourceVersion"))
	d.set(t, strings.Replace(alphaBeta, "Alpha", "theirs too", 1))
	for _, action := range []string{"accept", "keep"} {
		late := d.do("POST", "/drafts/task-list-1/"+action, `{"row":"12","field":"name","sourceVersion":`+seen+`}`)
		require.Equal(t, 409, late.status, "%s", late.raw)
		require.Equal(t, "theirs too", late.at("draft", "incoming", "12", "name"))
		require.Equal(t, "ours", late.at("draft", "draft", "12", "name"))
		require.Len(t, late.at("draft", "flags"), 1)
	}
	seen = quoted(d.do("GET", "/drafts/task-list-1", "").str("sourceVersion"))
	require.Empty(t, d.do("POST", "/drafts/task-list-1/keep", `{"row":"12","field":"name","sourceVersion":`+seen+`}`).list("flags"))
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // it is text
	}
	return string(b)
}

// A change that the source refuses is not sent again unchanged.
func TestTheSourceRefusesADraft(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.set(t, alphaBeta)
	require.Equal(t, 200, d.do("PATCH", "/drafts/task-list-1", `{"rows":{"12":{"priority":"high"}}}`).status)
	refused := d.do("POST", "/drafts/task-list-1/save", "")
	require.Equal(t, 400, refused.status, "%s", refused.raw)
	require.Equal(t, "high", d.do("GET", "/drafts/task-list-1", "").at("draft", "12", "priority"), "the draft stays")
}

// A draft of our own records.
func TestDraftOfRecords(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, id := range []string{"1", "2", "3"} {
		require.Equal(t, 201, d.do("PUT", "/orgs/default/items/"+id, `{"name":"`+id+`","n":1}`).status)
	}
	require.Len(t, d.do("GET", "/drafts/items", "").at("draft"), 3)
	d.do("PATCH", "/drafts/items", `{"rows":{"1":{"name":"one"},"2":null,"4":{"name":"four"}}}`)
	d.do("PATCH", "/orgs/default/items/1", `{"n":2}`) // the server fetches once for all
	require.Eventually(t, func() bool { return len(d.do("GET", "/drafts/items", "").list("flags")) == 1 }, time.Minute, 5*time.Millisecond)
	d.do("POST", "/drafts/items/accept", `{"row":"1","field":"n"}`)
	saved := d.do("POST", "/drafts/items/save", "")
	require.Equal(t, 200, saved.status, "%s", saved.raw)
	require.Equal(t, map[string]any{"name": "one", "n": 2.0}, d.do("GET", "/orgs/default/items/1", "").json["data"])
	require.Equal(t, 410, d.do("GET", "/orgs/default/items/2", "").status)
	require.Equal(t, 200, d.do("GET", "/orgs/default/items/4", "").status)
	require.Equal(t, false, d.do("GET", "/drafts/items", "").json["edited"])
}

// A draft takes its largest number of rows, and refuses one more. A number that a float64
// cannot hold keeps its value.
func TestDraftOfManyRecords(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 2000 {
		require.Equal(t, 201, d.do("PUT", "/orgs/default/items/"+strconv.Itoa(i), `{"name":"x","n":9007199254740993}`).status)
	}
	a := d.do("GET", "/drafts/items", "")
	require.Equal(t, 200, a.status, "%.300s", a.raw)
	require.Len(t, a.at("draft"), 2000)
	require.Equal(t, 200, d.do("PATCH", "/drafts/items", `{"rows":{"7":{"name":"y"}}}`).status)
	require.Equal(t, 200, d.do("POST", "/drafts/items/save", "").status)
	require.Contains(t, string(d.do("GET", "/orgs/default/items/7", "").raw), "9007199254740993")
	require.Equal(t, 201, d.do("PUT", "/orgs/default/items/more", `{"name":"x"}`).status)
	require.Equal(t, 413, d.do("POST", "/drafts/items/fetch", "").status)
}

func TestBadDraftRequests(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/drafts/none", "", 404},
		{"PATCH", "/drafts/task-list-1", `{}`, 400},
		{"PATCH", "/drafts/task-list-1", `{"rows":{"":{"a":1}}}`, 400},
		{"PATCH", "/drafts/task-list-1", `{"rows":{"1":{"":1}}}`, 400},
		{"PATCH", "/drafts/task-list-1", `{"rows":[]}`, 400},
		{"PATCH", "/drafts/task-list-1", `{"colour":1}`, 400},
		{"PATCH", "/drafts/task-list-1", `{"rows":{"1":{"name":"` + strings.Repeat("x", 950<<10) + `"}}}`, 413},
		{"POST", "/drafts/task-list-1/dance", "", 404},
		{"POST", "/drafts/task-list-1/accept", `{"field":"name"}`, 400},
		{"DELETE", "/drafts/task-list-1", "", 405},
	} {
		a := d.do(c.method, c.path, c.body)
		require.Equal(t, c.status, a.status, "%s %s %.80s: %s", c.method, c.path, c.body, a.raw)
	}
	d.source.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
	require.Equal(t, 503, d.do("GET", "/drafts/second", "").status)
}

// If a token is required, the author of a change is the owner of the token.
func TestDraftChangesAreSigned(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("t0ken"))
	g := newGateway(t, oneService(`,"drafts":[{"name":"items","records":{"orgId":"default","type":"items"}}],
		"auth":{"tokens":[{"name":"desk","sha256":"`+hex.EncodeToString(sum[:])+`","roles":["read","operate"]}]}`))
	edit := func(by, name string) answer {
		return g.do("PATCH", "/drafts/items", `{`+by+`"rows":{"1":{"name":"`+name+`"}}}`, "Authorization", "Bearer t0ken")
	}
	require.Equal(t, "desk", edit("", "a").str("changedBy"))
	require.Equal(t, "Ada (desk)", edit(`"by":"Ada",`, "b").str("changedBy"))
	require.Equal(t, "desk", edit(`"by":"desk",`, "c").str("changedBy"))
	require.Equal(t, "Ada (desk)", g.do("POST", "/drafts/items/save", `{"by":"Ada"}`, "Authorization", "Bearer t0ken").str("changedBy"))
}
