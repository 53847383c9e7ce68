package functions

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
)

func requireProblem(t *testing.T, a answer, status int, detail ...string) {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.raw)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	require.Equal(t, status, a.num("status"))
	for _, d := range detail {
		require.Contains(t, a.str("detail"), d)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(oneService(`,"maxEventBytes":1000`), `{"eventKey":"entry2"}`, `{"eventKey":"entry2","acceptedHttpMethods":["post","PUT"]}`, 1))
	requireProblem(t, g.do("POST", "/event/nope", ""), 404, "nope", "entry1", "entry2")
	requireProblem(t, g.do("POST", "/events/nope", "[]"), 404, "nope")
	a := g.do("GET", "/event/entry2", "")
	requireProblem(t, a, 405)
	require.Equal(t, "POST, PUT", a.header.Get("Allow"))
	for path, allow := range map[string]string{"/check": "POST", "/sweep": "POST", "/config": "GET", "/events/entry1": "POST", "/messages": "GET"} {
		a := g.do("DELETE", path, "")
		requireProblem(t, a, 405)
		require.Contains(t, a.header.Get("Allow"), allow)
	}
	requireProblem(t, g.do("POST", "/event/entry1", strings.Repeat("x", 1001)), 413, "1000", "maxEventBytes")
	chunked := httptest.NewRequest("POST", "/event/entry1", strings.NewReader(strings.Repeat("x", 1001)))
	chunked.ContentLength = -1
	requireProblem(t, g.send(chunked), 413, "maxEventBytes")
	require.Equal(t, 200, g.do("POST", "/event/entry1", strings.Repeat("x", 1000)).status)
	requireProblem(t, g.do("POST", "/event/entry1", "x", "Ce-Specversion", "1.0"), 400, `"id"`)
	requireProblem(t, g.do("POST", "/event/entry1", "{}", "Content-Type", "application/cloudevents+json"), 400, `"specversion"`)
	requireProblem(t, g.do("GET", "/reset?eventKey=nope", ""), 404, "nope")
	requireProblem(t, g.do("GET", "/reset?eventKey=", ""), 400, "eventKey")
	requireProblem(t, g.do("GET", "/reset?eventkey=entry1", ""), 400, "eventkey")
	requireProblem(t, g.do("POST", "/reset", "eventKey=entry2", "Content-Type", "application/x-www-form-urlencoded"), 400, "query")
	requireProblem(t, g.do("GET", "/nope", ""), 404)
	require.Equal(t, 0, g.do("POST", "/trigger", "").num("numberOfEvents")-1, "nothing of that was stored but the one event")
}

// A caller without credentials learns nothing about the configuration.
func TestNamesAreNotToldWithoutCredentials(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("t"))
	cfg := oneService(fmt.Sprintf(`,"auth":{"tokens":[{"name":"a","sha256":%q,"roles":["ingest"]}]}`, hex.EncodeToString(sum[:])))
	for function, path := range map[string]string{Ingest: "/event/trigger", Check: "/services/nope/check", Status: "/services/nope/status", Trigger: "/services/nope/reset"} {
		g := newGateway(t, cfg, function)
		method := "POST"
		if function == Status {
			method = "GET"
		}
		a := g.do(method, path, "")
		requireProblem(t, a, 401)
		require.NotContains(t, string(a.raw), "entry1")
		require.NotContains(t, string(a.raw), "My First")
		requireProblem(t, g.do(method, path, "", "Authorization", "Bearer t"), 404)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"cors":{"allowedOrigins":["https://a.example"]}`))
	pre := g.do("OPTIONS", "/event/entry1", "", "Origin", "https://a.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, "https://a.example", pre.header.Get("Access-Control-Allow-Origin"))
	refused := g.do("POST", "/event/entry1", "", "Origin", "https://b.example")
	requireProblem(t, refused, 403, "https://b.example", "cors.allowedOrigins")
	require.Empty(t, refused.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, 0, g.do("POST", "/reset", "").num("reset"), "a preflight is not an event")
	require.Equal(t, 204, g.do("OPTIONS", "/event/entry1", "").status)
	require.Equal(t, 0, g.do("POST", "/reset", "").num("reset"), "nor is any other OPTIONS")
}

// The known faults of EventSync that a request can show. End-to-end tests show those of the
// process, and the tests of package config those of the configuration.

func TestEventSyncFault_MessageOverTheBussLimit(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"maxEventBytes":8388608`))
	big := strings.Repeat("x", 6<<20)
	g.event("entry1", big)
	id := g.event("entry2", big).str("triggered")
	require.Eventually(t, func() bool { return len(g.bus.all()) == 1 }, time.Minute, 10*time.Millisecond, "12 MiB of bodies: a claim check, not an error; a slow machine publishes it after the answer")
	require.LessOrEqual(t, len(g.bus.all()[0].Data), 9_900_000)
	require.Equal(t, big, g.message(id).Events["entry2"].Events[0].Content)
	g.event("entry1", "a")
	require.NotNil(t, g.event("entry2", "b").json["triggered"], "the next window is not delayed")
}

func TestEventSyncFault_WhatAStoreDoesNotTake(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"maxEventBytes":8388608`))
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	bodies := []string{strings.Repeat("x", 2<<20), string(every), "nul \x00", ""}
	for _, b := range bodies {
		g.event("entry1", b)
		g.advance(time.Microsecond)
	}
	for _, q := range []string{"?q=%ff", "?=1", "?__a__=1", "?q=%zz", "?q=%00"} {
		require.Equal(t, 200, g.do("GET", "/event/entry1"+q, "").status, q)
		g.advance(time.Microsecond)
	}
	require.Equal(t, 200, g.do("POST", "/event/entry1", "", "X-Latin", "caf\xe9").status)
	m := g.message(g.do("POST", "/trigger", "").str("triggered"))
	events := m.Events["entry1"].Events
	require.Len(t, events, 10)
	for i, b := range bodies {
		got := []byte(events[i].Content)
		if events[i].ContentEncoding == "base64" {
			var err error
			got, err = base64.StdEncoding.DecodeString(events[i].Content)
			require.NoError(t, err)
		}
		require.True(t, bytes.Equal([]byte(b), got), "body %d, byte for byte", i)
	}
	require.Equal(t, "q=%ff", events[4].RawQuery)
	require.Equal(t, []string{"1"}, events[5].QueryParams[""])
	require.Equal(t, []string{"1"}, events[6].QueryParams["__a__"])
	require.Equal(t, "q=%zz", events[7].RawQuery)
	require.Equal(t, []string{"café"}, events[9].Headers["X-Latin"])
}

func TestEventSyncFault_PublishFails(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.bus.set(errors.New("away"))
	g.event("entry1", "a")
	id := g.event("entry2", "b").str("triggered")
	require.NotEmpty(t, id, "the event is in a claim, so it is safe")
	s := g.do("GET", "/status", "")
	require.EqualValues(t, 1, s.json["outbox"].(map[string]any)["backlog"])
	require.Contains(t, string(g.do("GET", "/messages?state=claimed", "").raw), "away")
	g.bus.set(nil)
	require.Equal(t, 1, g.do("POST", "/sweep", "").num("republished"), "a sweep on request ignores the back-off")
	require.Equal(t, id, g.bus.all()[0].Attributes["eventID"])
	require.Equal(t, 0, g.do("POST", "/sweep", "").num("republished"))

	g.bus.set(bus.ErrNoTopic)
	g.advance(time.Minute)
	g.event("entry1", "c")
	require.NotEmpty(t, g.event("entry2", "d").str("triggered"), "a topic that does not exist loses nothing")
}

// After a failure of the bus, an instance pauses publishing. The pause ends, even if the
// clock is set back meanwhile.
func TestAClockSetBackDoesNotKeepTheBusAway(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.bus.set(errors.New("away"))
	g.event("entry1", "a")
	g.event("entry2", "b")
	g.bus.set(nil)
	g.event("entry1", "c")
	g.event("entry2", "d")
	require.Empty(t, g.bus.all(), "publishing pauses")
	g.jump(-24 * time.Hour)
	g.advance(5 * time.Second)
	g.do("POST", "/reset", "")
	g.event("entry1", "e")
	require.Equal(t, true, g.event("entry2", "f").json["published"])
}

func TestEventSyncFault_SecretsAreNotKept(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"redactHeaders":["x-mine"]`))
	g.event("entry1", "a", "Authorization", "Bearer s3cret", "Cookie", "s3cret", "X-Serverless-Authorization", "s3cret", "X-Mine", "s3cret", "X-Other", "kept")
	id := g.do("POST", "/trigger", "").str("triggered")
	raw := string(g.do("GET", "/messages/"+id, "").raw)
	require.NotContains(t, raw, "s3cret")
	require.Contains(t, raw, "kept")
	require.Contains(t, raw, `"redacted":["Authorization","Cookie","X-Mine","X-Serverless-Authorization"]`)
}

// One list of names applies to headers and to the query. The configuration adds names and
// removes names. Events of a batch are treated like others.
func TestCredentialsOfARequestAreNotKept(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"redactHeaders":["?mine"],"keepHeaders":["x-tenant-key","?key"]`))
	for _, path := range []string{"/event/entry1", "/events/entry1"} {
		g.do("POST", path+"?a=1&token=s3cret&access_token=s3cret&api_key=s3cret&sig=s3cret&mine=s3cret&key=kept1&q=%ff", `[1]`,
			"apikey", "s3cret", "X-RapidAPI-Key", "s3cret", "X-Auth-Key", "s3cret", "Token", "s3cret", "Password", "s3cret", "X-Tenant-Key", "kept2",
			"Next-Token", "kept3", "X-Goog-Channel-Token", "kept4", "X-Page-Token", "kept5", "X-Original-Url", path+"?token=s3cret")
		id := g.do("POST", "/trigger", "").str("triggered")
		raw := string(g.do("GET", "/messages/"+id, "").raw)
		require.NotContains(t, raw, "s3cret")
		require.NotContains(t, string(g.bus.all()[0].Data), "s3cret")
		for _, kept := range []string{"kept1", "kept2", "kept3", "kept4", "kept5"} {
			require.Contains(t, raw, kept)
		}
		require.Contains(t, raw, `"redacted":["?access_token","?api_key","?mine","?sig","?token","Apikey","Password","Token","X-Auth-Key","X-Original-Url?token","X-Rapidapi-Key"]`)
		require.Contains(t, raw, `"rawQuery":"a=1&key=kept1&q=%ff"`)
	}
	// Attributes of CloudEvents repeat URLs. An event's id depends on the unredacted values.
	first := g.event("entry1", "a", "Ce-Specversion", "1.0", "Ce-Id", "7", "Ce-Type", "t", "Ce-Source", "http://me:s3cret@h/?token=s3cret", "Ce-Other", "Bearer s3cret")
	g.do("POST", "/events/entry1", `[{"specversion":"1.0","id":"7","type":"t","source":"http://h/","subject":"kept"},{"specversion":"1.0","id":"7","type":"t","source":"http://me:s3cret@h/?token=s3cret"}]`,
		"Content-Type", "application/cloudevents-batch+json", "Referer", "http://me:s3cret@h/")
	id := g.do("POST", "/trigger", "").str("triggered")
	message := g.do("GET", "/messages/"+id, "")
	require.Contains(t, string(message.raw), first.str("id"))
	require.Equal(t, 2, strings.Count(string(message.raw), `"cloudEvent"`), "the second event of the batch is a duplicate of the first")
	require.NotContains(t, string(message.raw), "s3cret")
	require.Contains(t, string(message.raw), `"redacted":["Ce-Other","Ce-Source?@","Ce-Source?token"]`)
	require.Contains(t, string(message.raw), `"redacted":["Referer?@"]`)
	g.event("entry1", "a")
	id = g.do("POST", "/trigger", "").str("triggered")
	require.NotContains(t, string(g.do("GET", "/messages/"+id, "").raw), "redacted", "only where something was left out")
}

func TestEventSyncFault_EmptyWindowSendsNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	require.Nil(t, g.do("GET", "/trigger", "").json["triggered"])
	require.Empty(t, g.bus.all())
}

// FuzzIngest sends arbitrary requests. The answer is never a 5xx, and an event that was
// answered with 200 can be read byte for byte.
func FuzzIngest(f *testing.F) {
	f.Add("POST", "q=%ff&=1", "text/plain", "caf\xe9", []byte("body"))
	f.Add("PUT", "", "application/cloudevents+json", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t"}`))
	f.Add("GET", "&&;", "application/json", "k", []byte(`{"message":{"messageId":"1","data":"aGk="}}`))
	g := newGateway(f, strings.Replace(oneService(""), `"window"`, `"none"`, 1))
	f.Fuzz(func(t *testing.T, method, query, contentType, header string, body []byte) {
		g.TB = t
		g.do("POST", "/reset", "") // what an input before this one left
		g.advance(25 * time.Hour)  // and its key is forgotten
		r := &http.Request{
			Method: method, URL: &url.URL{Path: "/event/entry1", RawQuery: query}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {contentType}, "X-Fuzz": {header}}, Host: "h", ContentLength: int64(len(body)),
			Body: readCloser{bytes.NewReader(body)},
		}
		a := g.send(r)
		require.Less(t, a.status, 500, "%s", a.raw)
		if a.status != 200 {
			return
		}
		e := g.message(g.do("POST", "/trigger", "").str("triggered")).Events["entry1"].Events[0]
		got := []byte(e.Content)
		if e.ContentEncoding != "" {
			var err error
			got, err = base64.StdEncoding.DecodeString(e.Content)
			require.NoError(t, err)
		}
		require.True(t, bytes.Equal(body, got))
	})
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
