package mock_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
)

func call(t *testing.T, h http.Handler, method, target, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w.Code, string(b), w.Header()
}

func list(t *testing.T, body string) (rows []map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(body), &rows), body)
	return rows
}

const event = `{"guid":"%s","type":"create","timestamp":"%s","data":{}}`

func TestSyncServer(t *testing.T) {
	t.Parallel()
	s := mock.NewSyncServer(mock.Options{})
	one, two := fmt.Sprintf(event, "a", "2026-01-01T00:00:00Z"), fmt.Sprintf(event, "b", "2026-01-02T00:00:00Z")
	status, _, _ := call(t, s, "POST", "/mock-sync", `{"data":[`+one+`,`+two+`,`+one+`]}`)
	require.Equal(t, 200, status)
	_, body, _ := call(t, s, "GET", "/mock-sync", "")
	require.Len(t, list(t, body), 2, "an event with the same guid is replaced")
	_, body, _ = call(t, s, "GET", "/mock-sync?since=2026-01-01T00:00:00Z", "")
	require.Len(t, list(t, body), 1, "later than, not equal")
	for _, bad := range []string{``, `[]`, `{"entities":[]}`, `{"data":3}`, `{"data":[{"type":"x"}]}`} {
		status, _, _ = call(t, s, "POST", "/mock-sync", bad)
		require.Equal(t, 400, status, bad)
	}
	status, _, _ = call(t, s, "GET", "/mock-sync?since=yesterday", "")
	require.Equal(t, 400, status)
	status, _, _ = call(t, s, "PUT", "/mock-sync", "{}")
	require.Equal(t, 405, status)
}

func TestOpenFn(t *testing.T) {
	t.Parallel()
	s := mock.NewOpenFn(mock.Options{})
	status, _, _ := call(t, s, "GET", "/events", "")
	require.Equal(t, 401, status, "a key is required")
	one := fmt.Sprintf(event, "a", "2026-01-01T00:00:00Z")
	status, _, _ = call(t, s, "POST", "/events", `{"entities":[`+one+`]}`, "X-Api-Key", "any")
	require.Equal(t, 200, status)
	_, body, _ := call(t, s, "GET", "/events", "", "X-Api-Key", "any")
	require.Contains(t, body, `{"events":[`)
	status, body, _ = call(t, s, "GET", "/i/workflow", "", "X-Api-Key", "any")
	require.Equal(t, 200, status)
	require.Contains(t, body, `{"message":"OpenFn webhook trigger found`, "elsewhere GET is a check")
}

func TestMyWell(t *testing.T) {
	t.Parallel()
	s := mock.NewMyWell(mock.Options{AccessToken: "t"})
	status, _, _ := call(t, s, "GET", "/api/resources", "")
	require.Equal(t, 401, status)
	status, body, _ := call(t, s, "POST", "/api/resources?access_token=t", `{"postcode":313603,"villageId":11,"owner":"me"}`)
	require.Equal(t, 200, status, body)
	require.Contains(t, body, `"id":1110`)
	status, body, _ = call(t, s, "POST", "/api/readings?access_token=t", `[{"postcode":313603,"resourceId":1,"date":"2026-01-01","value":1},{"postcode":313603,"resourceId":1,"date":"2026-01-02","value":2}]`)
	require.Equal(t, 200, status, body)
	require.Len(t, list(t, body), 2)
	status, _, _ = call(t, s, "POST", "/api/readings?access_token=t", `[{"postcode":313603,"resourceId":1,"date":"2026-01-03","value":3},{"postcode":1,"value":"x"}]`)
	require.Equal(t, 422, status)
	require.Len(t, s.Rows("reading"), 2, "all or none")
	filter := `{"where":{"and":[{"date":{"gte":"2026-01-02"}},{"date":{"lte":"2026-12-31"}}]},"order":"date DESC","limit":1}`
	_, body, _ = call(t, s, "GET", "/api/readings?access_token=t&filter="+strings.ReplaceAll(filter, " ", "%20"), "")
	require.Len(t, list(t, body), 1)
	status, _, _ = call(t, s, "PATCH", "/api/readings/2?access_token=t", `{"value":9}`)
	require.Equal(t, 200, status)
	status, _, _ = call(t, s, "DELETE", "/api/readings/77?access_token=t", "")
	require.Equal(t, 404, status)
	status, _, _ = call(t, s, "GET", "/api/dragons?access_token=t", "")
	require.Equal(t, 404, status)
}

// A row that has an id keeps it, and no new row gets the same.
func TestMyWellGivesFreeIDs(t *testing.T) {
	t.Parallel()
	s := mock.NewMyWell(mock.Options{})
	for _, id := range []int{1, 2} {
		require.NoError(t, s.Put("reading", mock.Row{"id": id, "postcode": 313603, "resourceId": 7, "date": "2026-01-01", "value": id}))
		require.NoError(t, s.Put("resource", mock.Row{"id": id + 3, "postcode": 313603, "owner": "first"}))
	}
	status, body, _ := call(t, s, "POST", "/api/readings", `[{"postcode":313603,"resourceId":1,"date":"2026-01-02","value":9},{"postcode":313603,"resourceId":1,"date":"2026-01-03","value":9}]`)
	require.Equal(t, 200, status, body)
	require.Contains(t, body, `"id":3`)
	require.Contains(t, body, `"id":4`)
	rows := s.Rows("reading")
	require.Len(t, rows, 4)
	require.Equal(t, json.Number("1"), rows[0]["value"])
	for _, want := range []string{`"id":710`, `"id":711`} {
		status, body, _ = call(t, s, "POST", "/api/resources", `{"postcode":313603,"villageId":7,"owner":"me"}`)
		require.Equal(t, 200, status, body)
		require.Contains(t, body, want)
	}
	status, body, _ = call(t, s, "POST", "/api/resources", `[{"postcode":313603,"villageId":7,"owner":"me"},{"id":713,"postcode":313603,"owner":"other"}]`)
	require.Equal(t, 200, status, body)
	require.Contains(t, body, `"id":712`)
	for _, taken := range []string{`[{"id":713,"postcode":313603}]`, `[{"id":20,"postcode":313603},{"id":20,"postcode":313603}]`} {
		status, _, _ = call(t, s, "POST", "/api/resources", taken)
		require.Equal(t, 422, status, taken)
	}
	require.Len(t, s.Rows("resource"), 6)
	for _, row := range s.Rows("resource")[:2] {
		require.Equal(t, "first", row["owner"])
	}
}

// The habits of the real server that surprise: a URL takes a number only and knows no
// postcode, a change needs a call of its own, and unknown members are dropped.
func TestMyWellIsStrict(t *testing.T) {
	t.Parallel()
	s := mock.NewMyWell(mock.Options{})
	for _, postcode := range []int{5063, 313603} {
		require.NoError(t, s.Put("resource", mock.Row{"id": 1111, "postcode": postcode, "villageId": 11, "owner": "old"}))
		require.NoError(t, s.Put("village", mock.Row{"id": 11, "postcode": postcode, "name": "old", "coordinates": mock.Row{"lat": 1, "lng": 2}, "geo": 1}))
	}
	ask := func(want int, method, path, body string) string {
		t.Helper()
		status, answer, _ := call(t, s, method, path, body)
		require.Equal(t, want, status, answer)
		return answer
	}
	names := func(typ, member string) (out []any) {
		for _, row := range s.Rows(typ) {
			out = append(out, row[member])
		}
		return out
	}
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		ask(404, method, "/api/resources/313603.1111", `{"owner":"new"}`)
		ask(404, method, "/api/villages/313603.11", `{"name":"new"}`)
	}
	ask(200, "PATCH", "/api/resources/1111", `{"owner":"hit"}`)
	require.Equal(t, []any{"hit", "old"}, names("resource", "owner"), "a bare id is that of another pincode's well")
	ask(200, "POST", "/api/resources/updateResourceByIdAndPostcode", `{"id":1111,"postcode":313603,"owner":"new","groups":[1]}`)
	require.Equal(t, []any{"hit", "new"}, names("resource", "owner"))
	require.NotContains(t, s.Rows("resource")[1], "groups")
	ask(404, "POST", "/api/resources/updateResourceByIdAndPostcode", `{"id":1111,"postcode":1,"owner":"new"}`)
	ask(404, "POST", "/api/villages/updateResourceByIdAndPostcode", `{"id":11,"postcode":313603,"name":"new"}`)
	where := `?where={"and":[{"id":11},{"postcode":313603}]}`
	require.JSONEq(t, `{"count":1}`, ask(200, "POST", "/api/villages/update"+where, `{"name":"new"}`))
	require.Equal(t, []any{"old", "new"}, names("village", "name"))
	require.NotContains(t, s.Rows("village")[0], "geo")
	require.Contains(t, ask(500, "POST", "/api/resources", `{"postcode":313603,"owner":"me"}`), "id or villageId is required")
	require.Contains(t, ask(422, "POST", "/api/villages", `{"postcode":313603,"name":"v"}`), "`id` can't be blank")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := mock.NewSyncServer(mock.Options{})
	get := func() (int, string, http.Header) { t.Helper(); return call(t, s, "GET", "/x", "") }
	set := func(faults string) {
		t.Helper()
		status, body, _ := call(t, s, "PUT", "/faults", faults)
		require.Equal(t, 200, status, body)
	}
	for i := range 3 {
		require.NoError(t, s.Put("event", mock.Row{"guid": fmt.Sprint("g", i)}))
	}
	set(`{"rate429":{"next":1,"retryAfter":7}}`)
	status, _, h := get()
	require.Equal(t, 429, status)
	require.Equal(t, "7", h.Get("Retry-After"))
	status, _, _ = get()
	require.Equal(t, 200, status, "one was asked for")
	set(`{"rate500":true}`)
	status, _, _ = get()
	require.Equal(t, 500, status)
	set(`{"truncate":true}`)
	_, body, _ := get()
	require.False(t, json.Valid([]byte(body)))
	set(`{"wrongTypes":true}`)
	_, body, _ = get()
	require.NotContains(t, body, `"data":{}`)
	set(`{}`)
	_, before, _ := get()
	require.NoError(t, s.Put("event", mock.Row{"guid": "new"}))
	set(`{"repeatPage":true}`)
	_, again, _ := get()
	require.Equal(t, before, again)
	set(`{"lostAnswer":{"next":1}}`)
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
		call(t, s, "POST", "/x", `{"data":[{"guid":"lost"}]}`)
	})
	set(`{}`)
	_, body, _ = get()
	require.Contains(t, body, "lost", "it was done")
	for _, bad := range []string{`{"rate5":1}`, `{"rate500":2}`, `{"rate500":"often"}`, `[]`, `{"delayMs":{"colour":1}}`} {
		status, _, _ = call(t, s, "PUT", "/faults", bad)
		require.Equal(t, 400, status, bad)
	}
}

func TestTimeFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mock.NewSyncServer(mock.Options{})
		s.SetFaults(mock.Faults{mock.LateCommit: {Ms: 60_000, Probability: 1}})
		require.NoError(t, s.Put("event", mock.Row{"guid": "a"}))
		_, body, _ := call(t, s, "GET", "/x", "")
		require.Empty(t, list(t, body))
		time.Sleep(time.Minute)
		_, body, _ = call(t, s, "GET", "/x", "")
		require.Len(t, list(t, body), 1)
		s.SetFaults(mock.Faults{mock.EqualTimestamps: {Probability: 1}})
		require.NoError(t, s.Put("event", mock.Row{"guid": "b"}))
		rows := s.Rows("event")
		require.Equal(t, rows[0]["timestamp"], rows[1]["timestamp"])
		s.SetFaults(mock.Faults{mock.Delay: {Ms: 5_000, Probability: 1}})
		began := time.Now()
		call(t, s, "GET", "/x", "")
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestChangesByHand(t *testing.T) {
	t.Parallel()
	s := mock.NewMyWell(mock.Options{})
	s.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
	status, body, _ := call(t, s, "POST", "/data/resource", `{"id":7,"postcode":1,"owner":"a"}`)
	require.Equal(t, 200, status, body)
	time.Sleep(2 * time.Millisecond) // the server's clock must advance
	status, _, _ = call(t, s, "POST", "/data/resource/1.7", `{"owner":"b"}`)
	require.Equal(t, 200, status)
	_, body, _ = call(t, s, "GET", "/data/resource", "")
	require.Equal(t, "b", list(t, body)[0]["owner"])
	require.NotEqual(t, list(t, body)[0]["createdAt"], list(t, body)[0]["updatedAt"], "a change gets a new stamp")
	status, _, _ = call(t, s, "DELETE", "/data/resource/1.7", "")
	require.Equal(t, 204, status)
	status, _, _ = call(t, s, "GET", "/data/dragon", "")
	require.Equal(t, 404, status)
	call(t, s, "POST", "/reset", "")
	status, _, _ = call(t, s, "GET", "/api/resources", "")
	require.Equal(t, 200, status, "a reset drops the faults, too")
}
