package functions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/platform/obs"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
	"github.com/headgate/headgate/internal/sync/source/csvsource"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/mywell"
	"github.com/headgate/headgate/internal/sync/source/sqlsource"
)

// canary is put at every place of a definition that may hold a credential.
const canary = "c4n4ry/of%+the=definition"

// watched is Headgate with every kind of source, a log that the test reads, and a caller
// with the role read only.
type watched struct {
	*gateway
	log lines
}

// lines collects the log, line by line.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (w *watched) as(role, method, path, body string) answer {
	w.Helper()
	return w.do(method, path, body, "Authorization", "Bearer t-"+role)
}

func newWatched(t *testing.T, more string) *watched {
	t.Helper()
	var tokens []string
	for _, role := range []string{"read", "operate"} {
		sum := sha256.Sum256([]byte("t-" + role))
		tokens = append(tokens, fmt.Sprintf(`{"name":%q,"sha256":%q,"roles":[%q]}`, role, hex.EncodeToString(sum[:]), role))
	}
	cfg, err := config.Parse([]byte(oneService(`,"auth":{"tokens":[` + strings.Join(tokens, ",") + `]}` + more)))
	require.NoError(t, err)
	st, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	w := &watched{gateway: &gateway{TB: t, bus: &watchedBus{Bus: localbus.New(testTopic)}}}
	dir, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	w.now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	w.app, err = app.New(app.Options{
		Config: cfg, Store: st, Bus: w.bus, Log: obs.NewLogger(&w.log, obs.Options{Format: obs.Logfmt, Level: slog.LevelDebug}), Now: w.clock, HooksHTTP: http.DefaultClient, LiveHTTP: http.DefaultClient,
		Kinds:      source.NewRegistry(csvsource.Kind(), apisource.Kind(), datacollect.OpenFnAdapter(), datacollect.SyncServer(), mywell.Kind(), sqlsource.Kind()),
		Env:        source.Env{Dir: dir, HTTP: http.DefaultClient, AllowHTTP: true, Now: w.clock, Secret: func(_ context.Context, v, _ string) (string, error) { return v, nil }},
		ServesLive: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = w.app.Close(context.Background())
		_ = dir.Close()
	})
	w.h, err = Handler(w.app)
	require.NoError(t, err)
	return w
}

// unseen lists the first bytes of each canary: plain, escaped, and in the encoding of Basic.
var unseen = []string{"c4n4ry", base64.StdEncoding.EncodeToString([]byte("c4n4ry"))}

func (w *watched) requireUnseen(what, text string) {
	w.Helper()
	for _, form := range unseen {
		require.NotContains(w, text, form, what)
	}
}

// definitions have the canary at every place; $U is the server.
func definitions(server string) map[string]string {
	const list = `{type}?api_key=$Q&page_size=50`
	write := func(more string) string { return `{"url":"{type}/{id}?k=$Q#$Q"` + more + `}` }
	resource := `"list":"` + list + `","read":` + write("") + `,"create":{"url":"{type}?sig=$Q"},"update":` + write("") + `,"delete":` + write("")
	api := func(options string) string {
		return `{"orgId":"o","type":"both","datasource":{"type":"api","url":"$U/v1/?code=$Q","selectedDatatypes":["x"],"options":{` + options + `}}}`
	}
	all := map[string]string{
		"bearer":        api(`"auth":{"type":"bearer","token":"$C"},` + resource),
		"basic":         api(`"auth":{"type":"basic","username":"$C","password":"$C"},` + resource),
		"user":          api(`"auth":{"type":"basic","username":"$C","password":""}`),
		"key":           api(`"auth":{"type":"apiKey","token":"$C","header":"X-Mine"}`),
		"key in query":  api(`"auth":{"type":"apiKey","token":"$C","query":"mine"}`),
		"headers":       api(`"headers":{"X-Custom":"$C","X-Other":"$C","X-Open":"public"},"publicHeaders":["X-Open"]`),
		"types":         api(`"types":{"x":{` + resource + `}}`),
		"absolute":      api(`"list":"$U/v1/x?code=$Q","paging":{"style":"link"}`),
		"next in body":  api(`"list":"x?code=$Q","items":"items","paging":{"style":"url","next":"next"}`),
		"mywell":        `{"orgId":"o","type":"both","datasource":{"type":"legacy-mywell","url":"$U","options":{"accessToken":"$C"}}}`,
		"openfn":        `{"orgId":"o","type":"both","datasource":{"type":"openfn-adapter","url":"$U/?x=$Q","extraFields":[{"name":"apiKey","value":"$C"},{"name":"workflowId","value":"$C"},{"name":"username","value":"$C"},{"name":"password","value":"$C"},{"name":"retryAttempts","value":"0"}]}}`,
		"sync server":   `{"orgId":"o","type":"both","datasource":{"type":"mock-sync-server","url":"$U/?x=$Q","options":{"apiKey":"$C","workflowId":"$C","username":"$C","password":"$C","retryAttempts":0}}}`,
		"file":          `{"orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"http://$Q:$Q@$H/x.csv?sig=$Q#$Q","auth":"$C","extraFields":[{"name":"note","value":"$C"}],"selectedDatatypes":["x"]}}`,
		"local file":    `{"orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"x.csv?sig=$Q","selectedDatatypes":["x"]}}`,
		"postgres":      `{"orgId":"o","type":"pull","datasource":{"type":"sql","url":"postgres://me:$Q@127.0.0.1:1/d","selectedDatatypes":["x"]}}`,
		"mysql":         `{"orgId":"o","type":"pull","datasource":{"type":"sql","url":"mysql://me@127.0.0.1:1/d","selectedDatatypes":["x"],"options":{"password":"$C"}}}`,
		"query":         `{"orgId":"o","type":"pull","datasource":{"type":"sql","url":"postgres://me@127.0.0.1:1/d","selectedDatatypes":["x","y"],"options":{"tables":{"x":{"query":"SELECT dblink('postgres://me:$Q@h/d?password=$Q')"},"y":{"query":"SELECT dblink('host=h password=c4n4ry user=me')"}}}}}`,
		"key of a cert": `{"orgId":"o","type":"pull","datasource":{"type":"sql","url":"postgres://me@127.0.0.1:1/d?sslmode=verify-full","selectedDatatypes":["x"],"options":{"ca":"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nc4n4ry\n-----END PRIVATE KEY-----"}}}`,
	}
	_, host, _ := strings.Cut(server, "://")
	for name, text := range all {
		text = strings.NewReplacer("$U", server, "$H", host).Replace(text)
		for n := 0; strings.Contains(text, "$Q") || strings.Contains(text, "$C"); n++ { // each its own, or one that is hidden would hide the others
			own := canary + strconv.Itoa(n)
			at := strings.Index(text, "$")
			if text[at+1] == 'Q' {
				own = url.QueryEscape(own)
			}
			text = text[:at] + own + text[at+2:]
		}
		all[name] = text
	}
	return all
}

// echoing is a server that repeats everything that it was sent: in the message of a
// refusal, or in the link to a next page.
func echoing(t *testing.T) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		told, _ := json.Marshal(fmt.Sprint(r.URL, " ", r.Header, " ", user, " ", password, " ", string(body)))
		page := r.URL.Query().Get("page")
		if strings.Contains(r.URL.Path, "/v1/x") && page == "" && r.URL.Query().Get("code") != "" {
			next := *r.URL
			q := next.Query()
			q.Set("page", "2")
			next.RawQuery = q.Encode()
			w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
			if link, _ := json.Marshal(next.String()); r.URL.Query().Get("code") != "" {
				fmt.Fprintf(w, `{"items":[{"id":1}],"next":%s}`, link)
			}
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"message":%s}`, told)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// A caller with the role read finds the credentials of definitions nowhere, not even after
// runs whose errors repeat all that was sent.
func TestAttackReaderFindsACredential(t *testing.T) {
	t.Parallel()
	srv := echoing(t)
	w := newWatched(t, "")
	for name, def := range definitions(srv.URL) {
		a := w.as("operate", "POST", "/sync", def)
		require.Equal(t, http.StatusCreated, a.status, "%s: %s", name, a.raw)
		w.requireUnseen(name+": the answer to its definition", string(a.raw))
		id := a.str("id")
		for _, query := range []string{"?method=validate&wait=true", "?wait=true"} {
			a := w.as("operate", "POST", "/sync/"+id+"/run"+query, "")
			require.NotContains(t, []int{401, 403, 404, 405}, a.status, name)
			w.requireUnseen(name+": the answer to a run", string(a.raw))
		}
		run := w.as("read", "GET", "/sync/"+id+"/runs?limit=1", "").json["runs"].([]any)[0].(map[string]any)
		require.NotEmpty(t, run["errors"], "%s: the test needs a run that fails", name)
		for _, path := range []string{"", "/runs", "/runs/" + run["id"].(string), "/rejects", "/conflicts"} {
			a := w.as("read", "GET", "/sync/"+id+path, "")
			require.Equal(t, http.StatusOK, a.status)
			w.requireUnseen(name+path, string(a.raw))
		}
		w.sendBack(name, id)
	}
	for _, path := range []string{"/sync", "/config", "/config/unused", "/status", "/pending", "/history", "/messages", "/webhooks", "/live/clients"} {
		a := w.as("read", "GET", path, "")
		require.Equal(t, http.StatusOK, a.status, path)
		w.requireUnseen(path, string(a.raw))
	}
	w.requireUnseen("the log", w.log.String())
}

// A process that logs every request logs a refused definition without its credentials.
func TestAttackCredentialOfARefusedDefinitionIsLogged(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "")
	for _, def := range []string{
		`{"orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"/x.csv?sig=c4n4ry"}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"ftp://me:c4n4ry@h/x.csv"}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"api","url":"https://me:c4n4ry@h/"}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"api","url":"https://h/","options":{"list":"https://c4n4ry@x/?k=c4n4ry","headers":{"X A":"c4n4ry"},"auth":{"token":"c4n4ry"}}}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"legacy-mywell","url":"https://me:c4n4ry@h/?c4n4ry","options":{"accessToken":["c4n4ry"]}}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"openfn-adapter","url":"c4n4ry","options":{"password":{"a":"c4n4ry"}},"extraFields":[{"name":"apiKey","value":"c4n4ry"},{"name":"x","value":"c4n4ry"}]}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"sql","url":"me:c4n4ry@tcp(h)/d","auth":"c4n4ry","options":{"password":["c4n4ry"],"ca":"c4n4ry"}}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"sql","url":"postgres://me:c4n4ry@h/d?password=c4n4ry","options":{"password":"c4n4ry","tables":{"a":{"c4n4ry":1}}}}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"api","url":"https://h/","options":"c4n4ry"}}`,
		`{"orgId":"o","type":"pull","datasource":{"type":"api","url":{"c4n4ry":"c4n4ry"}}}`,
	} {
		a := w.as("operate", "POST", "/sync", def)
		require.Equal(t, http.StatusBadRequest, a.status, "%s", def)
		w.requireUnseen(def, string(a.raw))
		a = w.as("operate", "POST", "/sync/check", def)
		w.requireUnseen(def, string(a.raw))
	}
	require.Contains(t, w.log.String(), "request failed")
	w.requireUnseen("the log", w.log.String())
}

// sendBack sends a definition back unchanged: the stored credentials stay.
func (w *watched) sendBack(name, id string) {
	w.Helper()
	before, err := w.app.Definitions().Get(w.Context(), id)
	require.NoError(w, err)
	shown, err := json.Marshal(w.as("read", "GET", "/sync/"+id, "").json["sync"])
	require.NoError(w, err)
	a := w.as("operate", "PUT", "/sync/"+id, string(shown))
	require.Equal(w, http.StatusOK, a.status, "%s: %s", name, a.raw)
	w.requireUnseen(name+": the answer to its change", string(a.raw))
	after, err := w.app.Definitions().Get(w.Context(), id)
	require.NoError(w, err)
	had, err := json.Marshal(before.Sync)
	require.NoError(w, err)
	has, err := json.Marshal(after.Sync)
	require.NoError(w, err)
	require.JSONEq(w, string(had), string(has), name)
}

// Registered webhooks and the configuration have URLs and secrets, too.
func TestAttackReaderFindsACredentialOfAWebhook(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WebHook-Allowed-Origin", "*")
		if r.Method != http.MethodOptions { // its own words for the status repeat the URL
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				fmt.Fprintf(conn, "HTTP/1.1 500 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", r.RequestURI)
				_ = conn.Close()
			}
		}
	}))
	t.Cleanup(srv.Close)
	at := `"https://me:$Q@h.example/{id}?k=$Q&id={id}$Q"`
	w := newWatched(t, strings.NewReplacer("$Q", url.QueryEscape(canary), "$U", at, "$S", srv.URL, "$W", base64.StdEncoding.EncodeToString([]byte(canary))).Replace(`,"echo":{"upstream":"https://$Q@h.example/x","secrets":["whsec_$W"]},
		"hooks":[{"name":"h","verify":{"type":"bearer","secrets":["$Q"]},"event":{"eventKey":"entry1"}}],
		"drafts":[{"name":"a","externalData":{"url":$U}},{"name":"b","externalData":{"url":"$S/x?token=$Q"}}],
		"live":{"resolvers":[{"entity":"e","url":$U}],"passThrough":{"url":$U},"token":{"secret":"$Q$Q","audience":"a"}}`))
	a := w.as("operate", "POST", "/register-for-webhook", `{"url":"`+srv.URL+`/x?token=`+url.QueryEscape(canary)+`&list=12","secret":"whsec_`+base64.StdEncoding.EncodeToString([]byte(canary))+`"}`)
	require.Equal(t, http.StatusOK, a.status, "%s", a.raw)
	id := a.str("id")
	for _, path := range []string{"/webhooks", "/webhooks/" + id + "/deliveries", "/config", "/services/My%20First%20Event%20Sync/config"} {
		a := w.as("read", "GET", path, "")
		require.Equal(t, http.StatusOK, a.status, path)
		w.requireUnseen(path, string(a.raw))
		require.NotContains(t, string(a.raw), base64.StdEncoding.EncodeToString([]byte(canary)))
	}
	require.Contains(t, string(w.as("read", "GET", "/webhooks", "").raw), "list=12")
	a = w.as("read", "GET", "/drafts/b", "")
	require.Contains(t, string(a.raw), "500 Internal Server Error")
	w.requireUnseen("a draft whose source fails", string(a.raw))
	w.requireUnseen("the log", w.log.String())
}
