package deployment

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// server answers each request by its method and path with the next of its answers; the
// last one stays.
type server struct {
	t       *testing.T
	mu      sync.Mutex
	answers map[string][]reply
	asked   []string
}

type reply struct {
	status   int
	body     string
	location string
}

func serve(t *testing.T, answers map[string][]reply) (*server, *remote) {
	t.Helper()
	s := &server{t: t, answers: answers}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c, err := NewClient(srv.URL+"/base/", "", "test")
	require.NoError(t, err)
	r := At(c).(*remote)
	r.failurePause = 0
	t.Cleanup(r.Close)
	return s, r
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.RequestURI(), "/base")
	s.asked = append(s.asked, strings.TrimSpace(r.Method+" "+path+" "+string(body)))
	key := r.Method + " " + path
	list := s.answers[key]
	if len(list) == 0 {
		s.t.Errorf("unexpected %s", key)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	if len(list) > 1 {
		s.answers[key] = list[1:]
	}
	w.Header().Set("Content-Type", "application/json")
	if list[0].status >= 400 {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	if list[0].location != "" {
		w.Header().Set("Location", list[0].location)
	}
	w.WriteHeader(list[0].status)
	_, _ = io.WriteString(w, list[0].body)
}

func runOf(state syncrun.State, read int) string {
	return fmt.Sprintf(`{"id":"r1","syncId":"a b","method":"pull","state":%q,"counts":{"read":%d}}`, state, read)
}

func problem(detail string) string { return fmt.Sprintf(`{"detail":%q}`, detail) }

// watch records the output that a person would see.
func watch() (Watch, *[]string) {
	seen := &[]string{}
	return Watch{
		Say:  func(format string, args ...any) { *seen = append(*seen, fmt.Sprintf(format, args...)) },
		Show: func(run *syncrun.Run) { *seen = append(*seen, fmt.Sprint(run.State, " ", run.Counts.Read)) },
	}, seen
}

const storedJSON = `{"sync":{"id":"a b","orgId":"o","type":"pull","datasource":{"type":"csv"}}}`

// A run is followed until it has ended, also while its server restarts.
func TestRunIsFollowed(t *testing.T) {
	t.Parallel()
	s, d := serve(t, map[string][]reply{
		"POST /sync/a%20b/run?allowDeletes=true&method=pull": {{202, runOf(syncrun.Pending, 0), "/sync/a%20b/runs/r1"}},
		"GET /sync/a%20b/runs/r1": {
			{200, runOf(syncrun.Running, 7), ""}, {503, problem("away"), ""}, {500, "", ""}, {200, runOf(syncrun.Partial, 9), ""},
		},
	})
	w, seen := watch()
	run, err := d.Run(t.Context(), "a b", Options{Method: syncrun.DoPull, AllowDeletes: true}, w)
	require.NoError(t, err)
	require.Equal(t, syncrun.Partial, run.State)
	require.Equal(t, []string{"pending 0", "running 7", "running 7", "running 7"}, *seen)
	require.Len(t, s.asked, 5)
}

// If the server does not answer any more, following the run ends, and the message says that
// the run may continue.
func TestServerStopsAnswering(t *testing.T) {
	t.Parallel()
	s, d := serve(t, map[string][]reply{
		"POST /sync/a%20b/run?": {{202, runOf(syncrun.Pending, 0), ""}},
		"GET /sync/a%20b/runs/r1": {
			{200, runOf(syncrun.Running, 7), ""}, {503, problem("the store did not answer"), ""},
		},
	})
	w, _ := watch()
	run, err := d.Run(t.Context(), "a b", Options{}, w)
	require.EqualError(t, err, "run r1 may continue, but it cannot be followed: the store did not answer")
	require.EqualValues(t, 7, run.Counts.Read)
	require.Len(t, s.asked, 2+maxFailures)
}

// When the person stops the command, the run continues at the server.
func TestFollowingIsStopped(t *testing.T) {
	t.Parallel()
	_, d := serve(t, map[string][]reply{
		"POST /sync/a%20b/run?":   {{202, runOf(syncrun.Pending, 0), ""}},
		"GET /sync/a%20b/runs/r1": {{200, runOf(syncrun.Running, 7), ""}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := Watch{Show: func(run *syncrun.Run) {
		if run.Counts.Read == 7 {
			cancel()
		}
	}}
	run, err := d.Run(ctx, "a b", Options{}, w)
	require.EqualError(t, err, "run r1 continues at "+d.c.base)
	require.EqualValues(t, 7, run.Counts.Read)
}

// If a run of the same method is under way, it is followed. A run of another method makes
// the command fail.
func TestRunThatIsUnderWay(t *testing.T) {
	t.Parallel()
	answers := func() map[string][]reply {
		busy := reply{409, problem("run r1 of this sync is at work"), "/sync/a%20b/runs/r1"}
		return map[string][]reply{
			"POST /sync/a%20b/run?":                {busy},
			"POST /sync/a%20b/run?method=validate": {busy},
			"GET /sync/a%20b":                      {{200, storedJSON, ""}},
			"GET /sync/a%20b/runs/r1":              {{200, runOf(syncrun.Running, 1), ""}, {200, runOf(syncrun.Finished, 2), ""}},
		}
	}
	_, d := serve(t, answers())
	w, seen := watch()
	run, err := d.Run(t.Context(), "a b", Options{}, w)
	require.NoError(t, err)
	require.Equal(t, syncrun.Finished, run.State)
	require.Equal(t, []string{"run r1 is under way already: following it", "running 1"}, *seen)

	_, d = serve(t, answers())
	w, seen = watch()
	_, err = d.Run(t.Context(), "a b", Options{Method: syncrun.Validate}, w)
	require.EqualError(t, err, "run r1 of this sync is at work")
	require.Empty(t, *seen)
}

// The server shows no credentials, so a definition that has one is always sent.
func TestApplySendsWhatMayDiffer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stored, ours string
		want         Applied
		sent         string
	}{
		"same":           {`{"type":"csv","fileUrl":"a.csv"}`, `{"type":"csv","fileUrl":"a.csv"}`, Unchanged, ""},
		"another":        {`{"type":"csv","fileUrl":"a.csv"}`, `{"type":"csv","fileUrl":"b.csv"}`, Changed, "PUT"},
		"credential":     {`{"type":"sql","url":"postgres://u:redacted@h/d"}`, `{"type":"sql","url":"postgres://u:secret@h/d"}`, Changed, "PUT"},
		"order of keys":  {`{"type":"api","options":{"a":1,"b":2}}`, `{"type":"api","options":{"b":2,"a":1}}`, Unchanged, ""},
		"not there":      {"", `{"type":"csv","fileUrl":"a.csv"}`, Created, "POST"},
		"env references": {`{"type":"sql","url":"env:DB"}`, `{"type":"sql","url":"env:DB"}`, Unchanged, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			get := reply{200, `{"sync":{"id":"x","orgId":"o","type":"pull","datasource":` + c.stored + `}}`, ""}
			if c.stored == "" {
				get = reply{404, problem("no sync"), ""}
			}
			s, d := serve(t, map[string][]reply{"GET /sync/x": {get}, "PUT /sync/x": {{200, "{}", ""}}, "POST /sync": {{201, "{}", ""}}})
			def := new(definition.Sync)
			require.NoError(t, json.Unmarshal([]byte(`{"id":"x","orgId":"o","type":"pull","datasource":`+c.ours+`}`), def))
			applied, err := d.Apply(t.Context(), def)
			require.NoError(t, err)
			require.Equal(t, c.want, applied)
			if c.sent == "" {
				require.Len(t, s.asked, 1)
				return
			}
			require.True(t, strings.HasPrefix(s.asked[1], c.sent), s.asked[1])
			require.NotContains(t, s.asked[1], "redacted")
		})
	}
}

func TestRejectsOfAllPages(t *testing.T) {
	t.Parallel()
	_, d := serve(t, map[string][]reply{
		"GET /sync/x/rejects?limit=500":             {{200, `{"rejects":[{"key":"1"}],"next":"n/1"}`, ""}},
		"GET /sync/x/rejects?after=n%2F1&limit=500": {{200, `{"rejects":[{"key":"2"}],"next":null}`, ""}},
	})
	list, err := d.Rejects(t.Context(), "x")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "2", list[1].Key)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status            int
		kind, body, token string
		want              string
	}{
		"no token":              {401, "application/problem+json", problem("needs a token"), "", "BASE asks for a token: set HEADGATE_TOKEN, or give --token"},
		"token":                 {401, "application/problem+json", problem("the token is not valid"), "t", "BASE does not accept the token: the token is not valid"},
		"Cloud Run, no token":   {403, "text/html", "<html>", "", "BASE asks for a token: set HEADGATE_TOKEN, or give --token"},
		"Cloud Run, a token":    {401, "text/html", "<html>", "t", "BASE does not accept the token: 401 Unauthorized"},
		"role":                  {403, "application/problem+json", problem("not allowed"), "t", "BASE does not allow this caller to do that: not allowed"},
		"a fault":               {400, "application/problem+json", problem("method must be pull"), "", "method must be pull"},
		"something else":        {404, "text/plain", "404 page not found", "", "BASE answers 404 Not Found, but not like Headgate: is the address right?"},
		"something that is 200": {200, "text/html", "<html>", "", "BASE does not answer like Headgate: invalid character '<' looking for beginning of value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.token != "" && r.Header.Get("Authorization") != "Bearer "+c.token {
					t.Error("without the token")
				}
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer srv.Close()
			client, err := NewClient(srv.URL, c.token, "test")
			require.NoError(t, err)
			defer client.Close()
			_, err = At(client).Syncs(t.Context())
			require.EqualError(t, err, strings.ReplaceAll(c.want, "BASE", srv.URL))
		})
	}
}
