package functions

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tasksAPI is a REST interface to tasks; it gives new ones their ids.
type tasksAPI struct {
	mu   sync.Mutex
	rows map[string]map[string]any
	next int
}

func (a *tasksAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/task"), "/")
	var body map[string]any
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	switch r.Method {
	case http.MethodGet:
		list := []map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(a.rows)) {
			list = append(list, a.rows[k])
		}
		_ = json.NewEncoder(w).Encode(list)
		return
	case http.MethodPost:
		a.next++
		id = "n" + strconv.Itoa(a.next)
		body["id"] = id
		a.rows[id] = body
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		delete(a.rows, id)
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		if body["name"] == "refused" {
			http.Error(w, `{"detail":"no such name, please"}`, http.StatusUnprocessableEntity)
			return
		}
		maps.Copy(a.rows[id], body)
	}
	_ = json.NewEncoder(w).Encode(a.rows[id])
}

func (a *tasksAPI) set(id, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows[id] = map[string]any{"id": id, "name": name}
}

func (a *tasksAPI) name(id string) any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rows[id]["name"]
}

// A draft shows the rows of an API, through the definition of a sync.
func TestDraftOfAnAPI(t *testing.T) {
	t.Parallel()
	api := &tasksAPI{rows: map[string]map[string]any{}}
	api.set("a", "Alpha")
	api.set("b", "Beta")
	srv := httptest.NewServer(api)
	t.Cleanup(srv.Close)
	g := newGateway(t, oneService(`,"drafts":[{"name":"tasks","sync":{"id":"tasks","datatype":"task"}},{"name":"none","sync":{"id":"nothing","datatype":"task"}}]`))
	require.Equal(t, 404, g.do("GET", "/drafts/tasks", "").status, "the sync is not defined yet")
	created := g.do("POST", "/sync", `{"id":"tasks","orgId":"o","type":"both","datasource":{"type":"api","url":"`+srv.URL+`/","selectedDatatypes":["task"],
		"options":{"list":"{type}","create":{"url":"{type}","id":"id"},"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}}}}`)
	require.Equal(t, 201, created.status, "%s", created.raw)
	require.Equal(t, "Alpha", g.do("GET", "/drafts/tasks", "").at("draft", "a", "name"))

	edited := g.do("PATCH", "/drafts/tasks", `{"by":"Ada","rows":{"a":{"name":"Alef"},"new":{"name":"Gimel"},"b":null}}`)
	require.Equal(t, 200, edited.status, "%s", edited.raw)
	api.set("a", "Alfa") // and nobody says so
	refused := g.do("POST", "/drafts/tasks/save", "")
	require.Equal(t, 409, refused.status, "%s", refused.raw)
	require.Equal(t, "Alfa", api.name("a"), "a save does not overwrite a change that nobody saw")
	g.do("POST", "/drafts/tasks/keep", `{"row":"a"}`)
	saved := g.do("POST", "/drafts/tasks/save", `{"by":"Ada"}`)
	require.Equal(t, 200, saved.status, "%s", saved.raw)
	require.Equal(t, "Alef", api.name("a"))
	require.Equal(t, "Gimel", api.name("n1"))
	require.Nil(t, api.name("b"))
	require.Equal(t, "Gimel", saved.at("draft", "n1", "name"), "the row has the id that the source chose")
	require.Nil(t, saved.at("draft", "new"))
	require.Empty(t, saved.list("flags"), "%s", saved.raw)

	g.do("PATCH", "/drafts/tasks", `{"rows":{"a":{"name":"refused"},"n1":{"name":"Third"}}}`)
	bad := g.do("POST", "/drafts/tasks/save", "")
	require.Equal(t, 400, bad.status, "%s", bad.raw)
	require.Contains(t, bad.str("detail"), `row "a"`)
	require.Contains(t, bad.str("detail"), "no such name, please")
	require.Equal(t, "refused", g.do("GET", "/drafts/tasks", "").at("draft", "a", "name"), "the draft stays")
	g.do("PATCH", "/drafts/tasks", `{"rows":{"a":{"name":"Alef"}}}`)
	require.Equal(t, 200, g.do("POST", "/drafts/tasks/save", "").status)
	require.Equal(t, "Third", api.name("n1"))

	// A run that brings changes refreshes the draft.
	api.set("n1", "outside")
	require.Equal(t, 200, g.do("POST", "/sync/tasks/run?method=pull&wait=true", "").status)
	require.Equal(t, "outside", g.do("GET", "/drafts/tasks", "").at("incoming", "n1", "name"))
	require.Equal(t, 404, g.do("GET", "/drafts/none", "").status)
}

// A draft of a file leaves rows that break the mapping's rules unchanged.
func TestDraftOfAFile(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"drafts":[{"name":"prices","sync":{"id":"prices","datatype":"price"}}]`))
	write := func(text string) {
		f, err := g.dir.OpenFile("prices.csv", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
		require.NoError(t, err)
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	write("id,amount\n1,2.5\n2,dear\n")
	require.Equal(t, 201, g.do("POST", "/sync", `{"id":"prices","orgId":"o","type":"both","datasource":{"type":"csv","fileUrl":"prices.csv","selectedDatatypes":["price"]},
		"mapping":{"price":{"key":["id"],"fields":{"id":{"from":"id"},"amount":{"from":"amount","type":"number"}}}}}`).status)
	d := g.do("GET", "/drafts/prices", "")
	require.Equal(t, 2.5, d.at("draft", "1", "amount"), "%s", d.raw)
	require.Nil(t, d.at("draft", "2"))
	g.do("PATCH", "/drafts/prices", `{"rows":{"1":{"amount":3.75},"3":{"id":"3","amount":1}}}`)
	saved := g.do("POST", "/drafts/prices/save", "")
	require.Equal(t, 200, saved.status, "%s", saved.raw)
	f, err := g.dir.Open("prices.csv")
	require.NoError(t, err)
	defer f.Close()
	text := make([]byte, 1000)
	n, err := f.Read(text)
	require.NoError(t, err)
	require.Equal(t, "id,amount\n1,3.75\n2,dear\n3,1\n", string(text[:n]))
}

// Changes that arrive while the source is being read cause one more reading together.
func TestABurstIsFetchedOnceMore(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	fetched, list := 0, `{"taskList":{"1":{"name":"first","priority":1}}}`
	hold := make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		fetched++
		n, answer := fetched, list
		mu.Unlock()
		if n == 2 {
			<-hold
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(source.Close)
	g := newGatewayOn(t, oneService(`,"drafts":[{"name":"l","externalData":{"url":"`+source.URL+`"}}]`), true)
	require.Equal(t, 200, g.do("GET", "/drafts/l", "").status)
	for i := range 20 {
		tasks := `{"1":{"name":"` + strconv.Itoa(i) + `","priority":1}}`
		mu.Lock()
		list = `{"taskList":` + tasks + `}`
		mu.Unlock()
		require.Equal(t, 200, g.do("POST", "/external-data-webhook?externalTaskListId=l", `{"data":`+tasks+`}`).status)
	}
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return fetched >= 2 }, time.Minute, time.Millisecond)
	close(hold)
	require.Eventually(t, func() bool { return g.do("GET", "/drafts/l", "").at("incoming", "1", "name") == "19" }, time.Minute, 5*time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.LessOrEqual(t, fetched, 4)
}

// The start fetches a change that the source made before it. Close does not wait for a
// source that hangs.
func TestDraftsAreLookedAtFromTheStart(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	name, hang := "first", make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		answer := name
		mu.Unlock()
		if answer == "hang" {
			<-hang
		}
		_, _ = w.Write([]byte(`{"taskList":{"1":{"name":"` + answer + `","priority":1}}}`))
	}))
	t.Cleanup(source.Close)
	t.Cleanup(func() { close(hang) })
	g := newGatewayOn(t, oneService(`,"drafts":[{"name":"l","externalData":{"url":"`+source.URL+`"}}]`), true)
	require.Equal(t, 200, g.do("GET", "/drafts/l", "").status)
	become := func(to string) { mu.Lock(); name = to; mu.Unlock() }
	become("second")
	g.app.Start()
	require.Eventually(t, func() bool { return g.do("GET", "/drafts/l", "").at("incoming", "1", "name") == "second" }, time.Minute, 5*time.Millisecond)
	become("hang")
	require.Equal(t, 200, g.do("POST", "/external-data-webhook?externalTaskListId=l", `{"data":{"1":{"name":"x","priority":1}}}`).status)
	begin := time.Now()
	require.NoError(t, g.app.Close(t.Context()))
	require.Less(t, time.Since(begin), 5*time.Second)
}
