package functions

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
)

// fluid has the source of truth, Headgate and a listener, on real ports.
type fluid struct {
	*gateway
	source   *mock.ExternalData
	external string
	ours     string
	called   chan string
	listener string
}

func newFluid(t *testing.T, more string) *fluid {
	f := &fluid{source: mock.NewExternalData(mock.Options{}), called: make(chan string, 100)}
	external := httptest.NewServer(f.source)
	t.Cleanup(external.Close)
	f.external = external.URL
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		f.called <- string(b)
	}))
	t.Cleanup(listener.Close)
	f.listener = listener.URL
	ours := httptest.NewUnstartedServer(nil)
	base := "http://" + ours.Listener.Addr().String()
	f.gateway = newGatewayOn(t, oneService(`,"publicURL":"`+base+`","echo":{"upstream":"`+f.external+`"`+more+`}`), true)
	ours.Config.Handler = f.h
	ours.Start()
	t.Cleanup(ours.Close)
	f.ours = base
	f.app.Start()
	require.Eventually(t, func() bool { return len(f.source.Hooks("task-list-1")) == 1 }, time.Minute, time.Millisecond, "a start registers with the source")
	return f
}

func post(t *testing.T, target, body string) (status int, answer string) {
	t.Helper()
	resp, err := http.Post(target, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// live connects a plain client and subscribes it.
func (f *fluid) live(entity, id string) (next func(time.Duration) (string, bool)) {
	f.Helper()
	t := f.TB.(*testing.T)
	conn, _, err := websocket.Dial(t.Context(), f.ours+"/ws/entity-sync/", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"action":"subscribe","body":{"entity":%q,"id":%q}}`, entity, id)))
	require.Eventually(t, func() bool {
		return strings.Contains(string(f.do("GET", "/live/clients", "").raw), `"subscriptions":[{`)
	}, 30*time.Second, 5*time.Millisecond)
	frames := make(chan string, 100)
	go func() {
		for {
			_, b, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			frames <- string(b)
		}
	}()
	return func(within time.Duration) (string, bool) {
		select {
		case frame := <-frames:
			return frame, true
		case <-time.After(within):
			return "", false
		}
	}
}

const (
	newTasks = `{"12":{"name":"Alpha","priority":7}}`
	session  = `{"tenantId":"tenant_1","documentId":"doc_1_2","externalTaskListId":"task-list-1"}`
)

// The cases of Fluid's example, by the names of its tests.
func TestFluidCases(t *testing.T) {
	t.Parallel()
	t.Run("register valid URL", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		first := f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`)
		require.Equal(t, 200, first.status, "%s", first.raw)
		require.NotEmpty(t, first.str("secret"))
		again := f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`)
		require.Equal(t, first.str("id"), again.str("id"))
		require.Empty(t, again.str("secret"))
	})
	t.Run("register missing, I am not a URI, 123: 400", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		for _, body := range []string{`{}`, `{"url":"I am not a URI"}`, `{"url":123}`, `{"url":null}`, `[]`, ``} {
			require.Equal(t, 400, f.do("POST", "/register-for-webhook", body).status, body)
		}
		for _, body := range []string{`{"url":"http://x/","filter":"1 +"}`, `{"url":"http://x/","filter":true}`} {
			require.Equal(t, 400, f.do("POST", "/register-for-webhook", body).status, body)
		}
	})
	t.Run("missing list id: task-list-1; 123 list id: 400", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		require.Equal(t, "task-list-1", f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`).str("externalTaskListId"), "the seed's clients name no list")
		require.Equal(t, 400, f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`","externalTaskListId":123}`).status)
		require.Len(t, f.do("GET", "/webhooks", "").list("webhooks"), 1)
	})
	t.Run("unregister existing", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`)
		require.Equal(t, 200, f.do("POST", "/unregister-webhook", `{"url":"`+f.listener+`"}`).status)
		require.Empty(t, f.do("GET", "/webhooks", "").list("webhooks"))
		require.Equal(t, 200, f.do("POST", "/unregister-webhook", `{"url":"`+f.listener+`"}`).status, "the list had a webhook before")
	})
	t.Run("unregister without any webhook: 400", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		require.Equal(t, 400, f.do("POST", "/unregister-webhook", `{"url":"`+f.listener+`"}`).status)
	})
	t.Run("unregister another's URL: 200", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`)
		require.Equal(t, 200, f.do("POST", "/unregister-webhook", `{"url":"https://example.org/other"}`).status)
		require.Len(t, f.do("GET", "/webhooks", "").list("webhooks"), 1)
	})
	t.Run("unregister bad URL, bad id: 400", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`)
		for _, body := range []string{`{"url":"not a url"}`, `{"url":{}}`, `{"url":123}`, `{}`, `{"url":"` + f.listener + `","externalTaskListId":123}`} {
			require.Equal(t, 400, f.do("POST", "/unregister-webhook", body).status, body)
		}
		require.Len(t, f.do("GET", "/webhooks", "").list("webhooks"), 1)
	})
	t.Run("valid and invalid task data", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		for _, path := range []string{"/echo-external-data-webhook", "/external-data-webhook?externalTaskListId=task-list-2"} {
			require.Equal(t, 200, f.do("POST", path, `{"data":`+newTasks+`}`).status)
			for _, body := range []string{``, `{}`, `{"data":null}`, `{"data":{"12":{"name":"x"}}}`, `{"data":{"12":{"name":1,"priority":1}}}`, `{"data":[1]}`} {
				require.Equal(t, 400, f.do("POST", path, body).status, body)
			}
		}
	})
	t.Run("a registered listener is called within 5 s of a set", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		require.Equal(t, 200, f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`).status)
		status, _ := post(t, f.external+"/register-for-webhook", `{"url":"`+f.ours+`/echo-external-data-webhook"}`)
		require.Equal(t, 200, status)
		status, _ = post(t, f.external+"/set-tasks", `{"taskList":`+newTasks+`}`)
		require.Equal(t, 200, status)
		select {
		case body := <-f.called:
			var got struct{ Data json.RawMessage }
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			require.JSONEq(t, newTasks, string(got.Data))
		case <-time.After(30 * time.Second):
			require.Fail(t, "the listener was not called")
		}
	})
	t.Run("session, registration, set: a signal with the list's id; session-end: no further signal", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		opened := f.do("POST", "/register-session-url", session)
		require.Equal(t, 200, opened.status, "%s", opened.raw)
		require.Len(t, f.source.Hooks("task-list-1"), 1, "the first session registers with the source")
		next := f.live(opened.str("entity"), opened.str("id"))
		post(t, f.external+"/set-tasks/task-list-1", `{"taskList":`+newTasks+`}`)
		frame, ok := next(5 * time.Second)
		require.True(t, ok)
		require.JSONEq(t, `{"type":"ExternalDataChanged_V1.0.0","content":{"externalTaskListId":"task-list-1"}}`, frame)
		ended := f.do("POST", "/events-listener", `{"type":"session-end","tenantId":"tenant_1","documentId":"doc_1_2"}`)
		require.Equal(t, 200, ended.status, "%s", ended.raw)
		require.Empty(t, f.source.Hooks("task-list-1"), "the last one unregisters")
		require.Equal(t, 200, f.do("POST", "/echo-external-data-webhook", `{"data":`+newTasks+`}`).status)
		_, ok = next(time.Second)
		require.False(t, ok)
	})
	t.Run("the query names the list of a registration", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		first := f.do("GET", "/register-for-webhook?externalTaskListId=task-list-2&url="+url.QueryEscape(f.listener), "")
		require.Equal(t, 200, first.status, "%s", first.raw)
		require.NotEmpty(t, first.str("secret"))
		again := f.do("POST", "/register-for-webhook?externalTaskListId=task-list-2", `{"url":"`+f.listener+`/"}`)
		require.Equal(t, first.str("id"), again.str("id"))
		require.Equal(t, "task-list-2", again.str("externalTaskListId"))
		for _, c := range [][3]string{
			{"GET", "/register-for-webhook?externalTaskListId=l", ""}, {"GET", "/register-for-webhook?externalTaskListId=&url=http://x/", ""},
			{"GET", "/register-for-webhook?url=http://x/&format=xml", ""}, {"POST", "/register-for-webhook?externalTaskListId=", `{"url":"http://x/"}`},
			{"POST", "/register-for-webhook?externalTaskListId=a", `{"url":"http://x/","externalTaskListId":"b"}`}, {"POST", "/register-for-webhook?url=http://x/", `{}`},
		} {
			require.Equal(t, 400, f.do(c[0], c[1], c[2]).status, c)
		}
		require.Equal(t, 405, f.do("HEAD", "/register-for-webhook?url="+url.QueryEscape(f.listener), "").status)
		require.Len(t, f.do("GET", "/webhooks", "").list("webhooks"), 1)
		require.Equal(t, 200, f.do("POST", "/unregister-webhook?externalTaskListId=task-list-2", `{"url":"`+f.listener+`"}`).status)
		require.Empty(t, f.do("GET", "/webhooks", "").list("webhooks"))
	})
	t.Run("a webhook is tested, and its secret rotated", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		first := f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`)
		require.Equal(t, 200, first.status, "%s", first.raw)
		tried := f.do("POST", "/webhooks/"+first.str("id")+"/test", "")
		require.Equal(t, 200, tried.status, "%s", tried.raw)
		require.Equal(t, true, tried.json["ok"])
		require.JSONEq(t, `{"test":true,"externalTaskListId":"task-list-1"}`, <-f.called)
		rotated := f.do("POST", "/webhooks/"+first.str("id")+"/rotate", "")
		require.Equal(t, 200, rotated.status, "%s", rotated.raw)
		require.NotEqual(t, first.str("secret"), rotated.str("secret"))
		require.NotContains(t, string(rotated.raw), first.str("secret"))
		again := f.do("POST", "/webhooks/"+first.str("id")+"/rotate", `{"secret":"`+rotated.str("secret")+`"}`)
		require.Equal(t, rotated.str("secret"), again.str("secret"))
		require.Equal(t, 400, f.do("POST", "/webhooks/"+first.str("id")+"/rotate", `{"secret":"x"}`).status)
		require.Equal(t, 404, f.do("POST", "/webhooks/none/test", "").status)
		require.NotContains(t, string(f.do("GET", "/webhooks", "").raw), "whsec_")
	})
	t.Run("a container's URL names the session", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		opened := f.do("POST", "/register-session-url", `{"containerUrl":"http://localhost:7070/fluid/tenant_1/doc_1_2/?x=y","externalTaskListId":"task-list-1"}`)
		require.Equal(t, 200, opened.status, "%s", opened.raw)
		require.Equal(t, f.do("POST", "/register-session-url", session).str("id"), opened.str("id"), "it is the session of its tenant and document")
		for _, bad := range []string{"http://localhost:7070/doc", "not a url", "/tenant/doc", "http://localhost/a/%zz"} {
			a := f.do("POST", "/register-session-url", `{"containerUrl":"`+bad+`","externalTaskListId":"task-list-1"}`)
			require.Equal(t, 400, a.status, bad)
			require.Contains(t, a.str("detail"), "containerUrl")
		}
		require.Equal(t, 200, f.do("POST", "/events-listener", `{"type":"session-end","tenantId":"tenant_1","documentId":"doc_1_2"}`).status)
		require.Empty(t, f.source.Hooks("task-list-1"))
	})
	t.Run("the Fluid service gets the signal of a session", func(t *testing.T) {
		t.Parallel()
		got := make(chan string, 10)
		service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got <- r.Method + " " + r.URL.Path + " " + string(b)
		}))
		t.Cleanup(service.Close)
		f := newFluid(t, `,"broadcast":"`+service.URL+`/"`)
		require.Equal(t, 200, f.do("POST", "/register-session-url", session).status)
		post(t, f.external+"/set-tasks", `{"taskList":`+newTasks+`}`)
		select {
		case call := <-got:
			require.Equal(t, `POST /tenant_1/doc_1_2/broadcast-signal {"signalContent":{"contents":{"content":{"externalTaskListId":"task-list-1"},"type":"ExternalDataChanged_V1.0.0"}}}`, call)
		case <-time.After(30 * time.Second):
			require.Fail(t, "the Fluid service was not called")
		}
	})
	t.Run("sessions: missing fields and other types: 400", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		for body, says := range map[string]string{
			`{"documentId":"d","externalTaskListId":"l"}`: "tenantId", `{"tenantId":"t","externalTaskListId":"l"}`: "documentId", `{"tenantId":"t","documentId":"d"}`: "externalTaskListId",
		} {
			a := f.do("POST", "/register-session-url", body)
			require.Equal(t, 400, a.status)
			require.Contains(t, a.str("detail"), says+" is required")
		}
		for _, body := range []string{`{"type":"session-start","tenantId":"t","documentId":"d"}`, `{"type":"session-end","documentId":"d"}`, `{"type":"session-end","tenantId":"t"}`} {
			require.Equal(t, 400, f.do("POST", "/events-listener", body).status, body)
		}
	})
}

func TestHooks(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"hooks":[
		{"name":"code","verify":{"type":"github","secrets":["s3cret"]},"entity":"'repos'","id":"body.repository","signal":true,"event":{"eventKey":"entry1"}},
		{"name":"data","verify":{"type":"bearer","secrets":["t0ken"]},"sync":"readings"}]`))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	require.Equal(t, 404, g.do("POST", "/hooks/none", "{}").status)
	require.Equal(t, 401, g.do("POST", "/hooks/code", `{"repository":"r"}`).status)
	const body = `{"repository":"r"}`
	signed := []string{"X-Hub-Signature-256", "sha256=" + hubSignature("s3cret", body), "X-GitHub-Delivery", "d1"}
	first := g.do("POST", "/hooks/code", body, signed...)
	require.Equal(t, 200, first.status, "%s", first.raw)
	require.Equal(t, "repos", first.str("entity"))
	require.NotEmpty(t, first.str("eventId"))
	require.Equal(t, true, g.do("POST", "/hooks/code", body, signed...).json["duplicate"])
	endpoints := g.do("GET", "/status", "").list("endpoints")
	require.Equal(t, 1.0, endpoints[0]["have"], "one event of two deliveries")

	bearer := []string{"Authorization", "Bearer t0ken", "webhook-id", "w1"}
	require.Equal(t, 401, g.do("POST", "/hooks/data", "{}", "Authorization", "Bearer wrong").status)
	run := g.do("POST", "/hooks/data", "{}", bearer...)
	require.Equal(t, 200, run.status, "%s", run.raw)
	require.NotEmpty(t, run.str("runId"))
	require.Equal(t, true, g.do("POST", "/hooks/data", "{}", bearer...).json["duplicate"])
	require.Eventually(t, func() bool {
		runs := g.do("GET", "/sync/readings/runs", "").list("runs")
		return len(runs) == 1 && runs[0]["state"] == "finished"
	}, 30*time.Second, 10*time.Millisecond)
}

func hubSignature(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	_, _ = m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

func get(t *testing.T, target string) (status int, answer string) {
	t.Helper()
	resp, err := http.Get(target)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// Hook "a" with the id "b-1" and hook "a-b" with the id "1" are two webhooks.
func TestTwoHooksStartTwoRuns(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"hooks":[
		{"name":"a","verify":{"type":"none"},"sync":"readings"},{"name":"a-b","verify":{"type":"none"},"sync":"readings"}]`))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	for i, hook := range []string{"a", "a-b"} {
		a := g.do("POST", "/hooks/"+hook, "{}", "Webhook-Id", []string{"b-1", "1"}[i])
		require.Equal(t, 200, a.status, "%s", a.raw)
		require.Eventually(t, func() bool {
			runs := g.do("GET", "/sync/readings/runs", "").list("runs")
			return len(runs) == i+1 && runs[0]["state"] == "finished"
		}, time.Minute, 10*time.Millisecond)
	}
}
