package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// keys types text one key after the other, as a person does.
func (d *desk) keys(text string) {
	d.t.Helper()
	_, err := chromedp.Run(d.page, chromedp.KeyEvent(text))
	require.NoError(d.t, err)
}

// Changes of the page do not disturb its user: neither in the middle of a word, nor while
// a button is held down, nor when the keyboard focus is on a button.
func TestConsoleDisturbsNobody(t *testing.T) {
	t.Parallel()
	p := start(t, options{data: readings(t)})
	d := p.console(t, "drafts")
	d.until("the list is there", `document.querySelector("#field-56-name")`)
	d.eval(`document.querySelector("#field-56-name").focus(); document.activeElement.select()`)
	d.keys("Gim")
	p.must(t, "PATCH", "/drafts/task-list-1", `{"by":"Bob","rows":{"78":{"name":"Dalet"},"56":{"priority":8}}}`)
	d.until("Bob's edit is there", `document.querySelector("#field-56-priority").value === "8"`)
	d.keys("el")
	d.keys(kb.Tab)
	d.reads("edited, ")
	require.Contains(t, p.must(t, "GET", "/drafts/task-list-1", ""), `"56":{"name":"Gimel","priority":8}`, "the word is not lost")

	p.must(t, "POST", "/example/set-tasks", fmt.Sprintf(tasks, "Alfa", 7))
	d.reads("to decide about")
	d.eval(`window.held = document.querySelector("#accept-name-12"); held.focus()`)
	p.must(t, "PATCH", "/drafts/task-list-1", `{"by":"Bob","rows":{"12":{"note":"new"},"00":{"name":"first"}}}`)
	d.until("the page is drawn anew", `document.querySelector("#field-00-name") && document.querySelector("#field-12-note").value === "new"`)
	require.True(t, js[bool](t, d.page, `held.isConnected && document.activeElement === held`), "the button that is held down is still there")

	p.must(t, "POST", "/sync", `{"id":"readings","orgId":"mywell","type":"pull","datasource":{"type":"csv","fileUrl":"testdata/readings.csv","selectedDatatypes":["reading"]},
		"mapping":{"reading":{"key":["well","at"],"fields":{"well":{"from":"well"},"at":{"from":"at"},"value":{"from":"value_m","type":"number"}}}}}`)
	d.goes("syncs/readings")
	d.reads("No runs yet")
	d.eval(`window.held = document.querySelector("#run"); held.focus()`)
	d.keys(kb.Enter)
	d.until("the run ended", `document.querySelector("#run-state")?.textContent === "partial"`)
	require.True(t, js[bool](t, d.page, `held.isConnected && document.activeElement === held`), "the focus is where it was")

	d.goes("gates")
	d.stopsClock()
	d.reads("Missing: 1 more event at entry1")
	p.must(t, "POST", "/event/entry1", "x")
	d.reads("Missing: 1 more event at entry2.")
	d.eval(`window.spoken = 0; new MutationObserver((all) => { spoken += all.length; }).observe(document.querySelector(".missing"), {subtree: true, childList: true, characterData: true})`)
	d.eval(`for (let i = 0; i < 3; i++) elapse(1000)`) // the view redraws every second
	require.Zero(t, js[int](t, d.page, `window.spoken`), "a screen reader does not say again what it said")
}

// Every view is updated over the event stream as well.
func TestConsoleByEventStream(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	d := consoleAt(t, p.blocked(t).URL+"/console#/syncs", "WebSocket")
	d.reads("No syncs yet.")
	d.reads("live (event stream)")
	p.must(t, "POST", "/sync", `{"id":"late","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["a"]}}`)
	d.until("the new sync is in the list", `document.querySelector('main [aria-label="Syncs"]').textContent.includes("late")`)
	for range 3 {
		for _, v := range []string{"gates", "drafts", "live", "syncs", "drafts"} {
			d.goes(v)
		}
	}
	d.reads("The draft matches the source.")
	p.must(t, "PATCH", "/drafts/task-list-1", `{"rows":{"12":{"name":"Alef"}}}`)
	d.until("the edit is there", `document.querySelector("#field-12-name").value === "Alef"`)
	d.goes("live")
	d.reads("1 client connected to this instance")
}

// A conflict of two fields names its record in both rows.
func TestConsoleConflictOfTwoFields(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	write := func(row string) {
		require.NoError(t, os.WriteFile(filepath.Join(data, "a.csv"), []byte("id,name,place\n1,"+row+"\n"), 0o644))
	}
	write("first,here")
	p := start(t, options{data: data})
	p.must(t, "POST", "/sync", `{"id":"c","orgId":"o","type":"both","conflict":"manual","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["row"]}}`)
	p.must(t, "POST", "/sync/c/run?method=pull&wait=true", "")
	p.must(t, "PATCH", "/orgs/o/row/1", `{"name":"ours","place":"ours"}`)
	write("theirs,there")
	p.must(t, "POST", "/sync/c/run?method=pull&wait=true", "")
	d := p.console(t, "syncs/c")
	d.until("both fields name their record", `[...document.querySelectorAll('[aria-label="Conflicts"] tbody tr')].filter((r) => r.cells[0].textContent === "row 1").length === 2`)
}

// An address that is not valid, a source that is down, a service that is released manually.
func TestConsoleOddities(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	outside := fixedPort(t)
	require.NoError(t, os.WriteFile(filepath.Join(data, "config.json"), []byte(`{"serviceName":"by hand","trigger":{"type":"none","observationPeriod":3600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},"drafts":[{"name":"task-list-1","externalData":{"url":"http://`+outside+`/example"}}]}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", filepath.Join(data, "config.json")}})
	d := p.console(t, "gates/%E0%A4%A", "503")
	d.reads("There is no such gate")
	d.goes("gates")
	d.reads("0 events in the window. Press Trigger to release a message.")
	p.must(t, "POST", "/event/a", "x")
	d.reads("1 event in the window. Press Trigger to release a message.")
	d.until("it is on the time line", `document.querySelectorAll(".timeline .event").length === 1`)

	d.goes("drafts")
	d.reads("The draft cannot be loaded: ")
	start(t, options{addr: outside})
	d.press("Refresh from the source")
	d.reads("The draft matches the source.")
}

// A service may be named "..", but no page can reach it: browsers would resolve the name,
// and the request would reach another service.
func TestConsoleOfTwoDots(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	service := func(name, key string) string {
		return `{"serviceName":"` + name + `","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"` + key + `"},{"eventKey":"z"}],"targetPubSub":{"topic":"projects/p/topics/sync"}}`
	}
	file := filepath.Join(data, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"services":[`+service("s", "a")+`,`+service("..", "b")+`]}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", file}})
	d := p.console(t, "gates/..")
	d.reads("The console cannot show a service of that name")
	d.goes("gates/s")
	d.reads("Missing: 1 more event at a and 1 more event at z.")

	alone := t.TempDir()
	file = filepath.Join(alone, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(service("..", "b")), 0o644))
	p = start(t, options{data: alone, args: []string{"-config", file}})
	p.console(t, "gates").reads("Missing: 1 more event at b and 1 more event at z.")
}

// When a token stops being valid, the console asks for another, even if it loads nothing.
func TestConsoleTokenEnds(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	file := filepath.Join(data, "config.json")
	write := func(sum string) {
		require.NoError(t, os.WriteFile(file, []byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
			"targetPubSub":{"topic":"projects/p/topics/sync"},"auth":{"tokens":[{"name":"desk","sha256":"`+sum+`","roles":["read"]}]}}`), 0o644))
	}
	write("1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032") // letmein
	p := start(t, options{data: data, addr: fixedPort(t), args: []string{"-config", file}})
	d := p.console(t, "live", "401", "WebSocket", "Failed to load resource", "ERR_CONNECTION")
	d.types("#token", "letmein")
	d.press("Sign in")
	d.until("it is live", `document.querySelector("#connection").textContent === "live"`)
	p.kill9()
	write("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824") // hello
	p = p.restart(t).listens(t)
	p.ready(t)
	d.until("it asks again", `document.querySelector("#signin").open`)
	d.types("#token", "hello")
	d.press("Sign in")
	d.until("it is live again", `document.querySelector("#connection").textContent === "live"`)
}

// The console refreshes less often when many events wait: each is a read of the store.
func TestConsoleAsksLessOfMore(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	endpoints := []string{`{"eventKey":"few","minNbOfOccurrence":1000,"acceptedHttpMethods":["HEAD"]}`}
	for i := range 10 {
		endpoints = append(endpoints, fmt.Sprintf(`{"eventKey":"k%d","minNbOfOccurrence":1000}`, i))
	}
	require.NoError(t, os.WriteFile(filepath.Join(data, "config.json"), []byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":3600},"endpoints":[`+strings.Join(endpoints, ",")+`],
		"targetPubSub":{"topic":"projects/p/topics/sync"}}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", filepath.Join(data, "config.json")}})
	batch := "[" + strings.TrimSuffix(strings.Repeat(`{"n":1},`, 400), ",") + "]"
	for i := range 10 {
		p.must(t, "POST", fmt.Sprintf("/events/k%d", i), batch)
	}
	d := p.console(t, "gates")
	d.stopsClock()
	d.reads("400 of 1,000")
	d.reads("4,000 events in the last hour")
	d.until("each endpoint has its share of what is drawn", `document.querySelectorAll(".timeline .event").length === 10 * 272`)
	asked := func(what string) int {
		return js[int](t, d.page, `performance.getEntriesByType("resource").filter((e) => e.name.includes(`+quote(what)+`)).length`)
	}
	events, past := asked("/pending"), asked("/history")
	for range 40 {
		p.must(t, "POST", "/event/k1", "x")
	}
	require.LessOrEqual(t, asked("/pending")-events, 1)
	d.until("the latest events are shown in the end", `(elapse(10_000), document.body.innerText.includes("440 of 1,000"))`)
	require.LessOrEqual(t, asked("/pending")-events, 3)
	require.LessOrEqual(t, asked("/history")-past, 1)

	d.press("Send a test event") // the endpoint accepts only HEAD
	d.until("it is shown, too", `(elapse(10_000), document.body.innerText.includes("1 of 1,000"))`)
}

// With echo, viewers' pages ask the server to fetch after each change. A viewer with the
// role read may not do that, and must not get an error message each time.
func TestConsoleEchoForReaders(t *testing.T) {
	t.Parallel()
	outside := start(t, options{})
	data := t.TempDir()
	file := filepath.Join(data, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},"drafts":[{"name":"task-list-1","externalData":{"url":"`+outside.base+`/example"},"echo":true}],
		"auth":{"tokens":[{"name":"reader","sha256":"1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032","roles":["read"]},
			{"name":"all","sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","roles":["read","operate","ingest"]}]}}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", file}})
	reader, editor := p.console(t, "drafts", "401", "403"), p.console(t, "drafts", "401")
	for d, token := range map[*desk]string{reader: "letmein", editor: "hello"} {
		d.types("#token", token)
		d.press("Sign in")
		d.reads("The draft matches the source.")
		d.until("it is live", `document.querySelector("#connection").textContent === "live"`)
	}
	reader.eval(`window.told = ""; new MutationObserver((all) => { for (const m of all) for (const n of m.addedNodes) told += n.textContent; }).observe(document.querySelector("#toasts"), {childList: true})`)
	changed := fmt.Sprintf(tasks, "Alfa", 7)
	outside.must(t, "POST", "/example/set-tasks", changed)
	req, err := http.NewRequest(http.MethodPost, p.base+"/echo-external-data-webhook", strings.NewReader(strings.Replace(changed, "taskList", "data", 1)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer hello")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	editor.reads("2 changes at the source to decide about")
	reader.reads("2 changes at the source to decide about")
	require.Empty(t, js[string](t, reader.page, "told"))
}
