package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// What a large deployment has.
const (
	manyKeys     = 100_000
	manyMessages = 500
	manyRejects  = 5_332
)

// large starts a Headgate with much of everything: 100,000 open keys, 200 endpoints, 500
// messages, 52 syncs and 5,332 rejected rows, of which 1,332 have another reason.
func large(t *testing.T) *process {
	t.Helper()
	data := t.TempDir()
	var endpoints []string
	for i := range 200 {
		endpoints = append(endpoints, fmt.Sprintf(`{"eventKey":"source %03d with a long name that wraps"}`, i))
	}
	var rows strings.Builder
	rows.WriteString("id,at,n\n")
	for i := range manyRejects {
		fmt.Fprintf(&rows, "%d,2026-01-05,%s\n", i, []string{"\"=1+\"\"x\"\"\"", ""}[i/4000])
	}
	require.NoError(t, os.WriteFile(filepath.Join(data, "rows.csv"), []byte(rows.String()), 0o644))
	service := func(name, endpoints, more string) string {
		return `{"serviceName":"` + name + `","trigger":{"type":"window","observationPeriod":3600},"endpoints":[` + endpoints + `],"targetPubSub":{"topic":"projects/p/topics/sync"}` + more + `}`
	}
	file := filepath.Join(data, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"echo":{"allowTargets":["unused.example"]},"services":[`+
		service("wide", strings.Join(endpoints, ","), "")+`,`+service("fast", `{"eventKey":"a"}`, "")+`,`+
		service("keyed", `{"eventKey":"orders"},{"eventKey":"stock"}`, `,"correlation":{"key":"event.body.order"}`)+`]}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", file}})
	for from := 0; from < manyKeys; from += 1000 {
		items := make([]string, 1000)
		for i := range items {
			items[i] = fmt.Sprintf(`{"order":"order %05d"}`, from+i)
		}
		p.must(t, "POST", "/services/keyed/events/orders", "["+strings.Join(items, ",")+"]")
	}
	for i := range manyMessages {
		p.must(t, "POST", "/services/fast/event/a", fmt.Sprintf(`{"n":%d,"deep":{"list":[1,2,{"x":null}]}}`, i))
	}
	for i := range 150 {
		p.must(t, "POST", fmt.Sprintf("/services/wide/event/source%%20%03d%%20with%%20a%%20long%%20name%%20that%%20wraps", i), "x")
	}
	for i := range 51 {
		p.must(t, "POST", "/sync", fmt.Sprintf(`{"id":"sync-%02d","orgId":"o","type":"pull","frequency":"daily","datasource":{"type":"csv","fileUrl":"rows.csv","selectedDatatypes":["row"]}}`, i))
	}
	p.must(t, "POST", "/sync", `{"id":"rejecting","orgId":"o","type":"pull","maxRejected":1,"datasource":{"type":"csv","fileUrl":"rows.csv","selectedDatatypes":["row"]},
		"mapping":{"row":{"key":["id"],"fields":{"n":{"from":"n","type":"number","required":true}}}}}`)
	p.must(t, "POST", "/sync/rejecting/run?wait=true", "")
	return p
}

// bounded goes to a view, waits until it reads the text, and bounds what it took: the nodes
// of the page, the requests, and the bytes of their answers.
func (d *desk) bounded(view, text string, nodes, requests, size int) {
	d.t.Helper()
	d.eval(`performance.clearResourceTimings()`)
	d.goes(view)
	d.reads(text)
	d.within(view, nodes, requests, size)
	for _, scheme := range []string{"dark", "light"} {
		d.prefers(scheme)
		d.shoot("large-" + strings.ReplaceAll(view, "/", "-") + "-1280-" + scheme)
	}
}

// within bounds what the page has, and what it asked for since the view was opened.
func (d *desk) within(what string, nodes, requests, size int) {
	d.t.Helper()
	took := js[[]int](d.t, d.page, `((asked) => [document.querySelectorAll("*").length, asked.length, asked.reduce((n, e) => n + e.decodedBodySize, 0)])(performance.getEntriesByType("resource").filter((e) => !e.name.endsWith("/readyz")))`)
	d.t.Logf("%s: %d nodes, %d requests, %d bytes", what, took[0], took[1], took[2])
	require.LessOrEqual(d.t, took[0], nodes, "%s: nodes", what)
	require.LessOrEqual(d.t, took[1], requests, "%s: requests", what)
	require.LessOrEqual(d.t, took[2], size, "%s: bytes", what)
}

// The console shows much of everything: it counts all, shows what matters first, and finds
// the rest. What a view draws and asks for does not grow with what is stored.
func TestConsoleAtScale(t *testing.T) {
	t.Parallel()
	slow(t) // to store that much
	p := large(t)
	d := p.console(t, "overview")
	d.reads("52 syncs")
	d.reads("by key: 10,000 or more events wait")
	d.bounded("gates/wide", "200 endpoints, 50 of them missing events", 3_000, 20, 400_000)
	d.until("those that lack events are first", `document.querySelector('[aria-label^="200 endpoints"] tbody tr').innerText.startsWith("source 150")`)
	d.types(`input[placeholder="Search endpoints"]`, "SOURCE 007")
	d.until("one is found", `document.querySelectorAll(".endpoints tbody tr").length === 1`)
	d.types(`input[placeholder="Search endpoints"]`, "")
	rows := func(n int) string {
		return fmt.Sprintf(`document.querySelectorAll(".endpoints tbody tr").length === %d`, n)
	}
	d.until("only those that lack events are listed", rows(50))
	d.reads("150 lack nothing")
	d.press("Show all 200 endpoints")
	d.until("all are listed", rows(200))
	d.press("Show only those that lack events")
	d.until("the others are behind their count again", rows(50))
	d.press("Reset")
	d.reads("150 events are removed from the window")
	d.until("the dialog looks grave, and Cancel has the focus", `document.querySelector("dialog.grave[open]") && document.activeElement.textContent === "Cancel"`)
	d.press("Cancel")

	keysAtScale(t, d)
	messagesAtScale(t, d, p)
	syncsAtScale(t, d)
	for view, text := range map[string]string{"overview": "52 syncs", "audit": "Acts, newest first", "live": "1 client connected", "webhooks": "No URL is registered"} {
		d.bounded(view, text, 1_500, 20, 200_000)
	}
	d.bounded("config", "1 setting that nothing uses", 1_500, 20, 300_000)
	d.reads("$.echo.allowTargets[0]: no webhook, target or draft is at unused.example")
	phone(t, d)
}

// keysAtScale pages and searches 100,000 open windows.
func keysAtScale(t *testing.T, d *desk) {
	t.Helper()
	d.bounded("gates/keyed", "1 to 25; there are more", 1_500, 15, 150_000)
	d.reads("10,000 or more events in the windows of all keys.")
	d.press("Reset")
	d.reads("10,000 or more events are removed from the windows of all keys")
	d.press("Cancel")
	d.reads("More than 10,000 keys wait.")
	d.press("More")
	d.reads("26 to 50; there are more")
	d.press("Count all")
	d.reads("100,000 keys wait")
	d.types(`input[name="correlation-key"]`, "order 99999")
	d.press("Search")
	d.until("the youngest is found", keysShown+`.join() === "order 99999"`)
	d.press("Trigger order 99999")
	d.reads("wait for the key order 99999 (1 event)")
	d.press("Trigger")
	d.until("its message is found by the key", messageOf("order 99999", "manual"))
	d.press("Show all keys")
	d.reads("1 to 25; there are more")
	d.within("gates/keyed, after a search", 1_500, 80, 500_000)
}

func messagesAtScale(t *testing.T, d *desk, p *process) {
	t.Helper()
	rows := func(n int) {
		t.Helper()
		d.until(fmt.Sprintf("%d messages are listed", n), fmt.Sprintf(`document.querySelectorAll('[aria-label=%s] tbody tr').length === %d`, quote(listOfMessages), n))
	}
	d.bounded("gates/fast", "1 to 25; there are more", 1_500, 15, 100_000)
	rows(25)
	d.press("Older")
	d.reads("26 to 50; there are more")
	for first := 51; first < manyMessages; first += 25 {
		d.press("Older")
		d.reads(fmt.Sprintf("%d to %d; there are", first, first+24))
	}
	d.reads("476 to 500; there are no more")
	d.press("Newer")
	d.reads("451 to 475; there are more")
	d.within("gates/fast, all of its pages", 1_500, 80, 500_000)
	d.press("Newest")
	d.reads("1 to 25; there are more")
	d.types(`select[name="messages"]`, "&state=claimed")
	d.reads("There are none.")
	d.types(`select[name="messages"]`, "")
	d.types(`input[name="until"]`, "2020-01-01T00:00")
	d.reads("There are none.")
	d.types(`input[name="until"]`, "")
	d.types(`input[name="since"]`, "2020-01-01T00:00")
	rows(25)
	id := js[string](t, d.page, `document.querySelector('[aria-label=`+quote(listOfMessages)+`] tbody a').getAttribute("aria-label").slice(8)`)
	d.types(`input[name="message-id"]`, id)
	d.press("Find")
	rows(1)
	d.press("Message " + id)
	d.until("its address has its id", `location.hash === "#/gates/fast/messages/`+id+`"`)
	d.until("its content is a tree", `document.querySelector(".tree")`)
	d.reads("FirstEventDate")
	d.until("its event is listed", rowOf("Events", "a")+`?.cells[3].innerText.includes('"deep"')`)
	for span, words := range map[string]string{"day": "500 events in the last day, 500 messages", "week": "500 events in the last week, 500 messages",
		"hour": "at least 220 events in the last hour, at least 220 messages"} { // only so many are read
		d.goes("gates/fast")
		d.until("the charts are there", `document.querySelector(".chart")`)
		d.eval(`document.querySelector('input[value="` + span + `"]').click()`)
		d.reads(words)
		d.until("the axis has a scale", `document.querySelector(".scale").innerText`)
	}
	require.Contains(t, p.must(t, "GET", "/services/fast/messages?eventID="+id, ""), id)
}

func syncsAtScale(t *testing.T, d *desk) {
	t.Helper()
	d.bounded("syncs", "52 syncs", 1_500, 10, 100_000)
	d.until("what to look at is first", `document.querySelector('[aria-label="52 syncs"] tbody tr')?.innerText.includes("rejecting")`)
	d.types(`main input[type="search"]`, "sync-4")
	d.reads("10 of 52 syncs")
	d.until("each says when it runs next", `[...document.querySelectorAll("main tbody tr")].every((r) => r.cells[3].querySelector("time"))`)

	d.bounded("syncs/rejecting", "1 to 25 of 5,332 rows", 1_500, 20, 100_000)
	d.reads("5,332 rejected rows")
	d.press("More")
	d.reads("26 to 50 of 5,332 rows")
	require.Equal(t, "4,000", d.cellOf("By reason", "… is not a number", 2))
	d.press("Show the rows: n … is not a number")
	d.reads("1 to 25 of 4,000 rows")
	d.eval(`const make = URL.createObjectURL; URL.createObjectURL = (b) => { b.text().then((text) => { window.saved = text; }); return make.call(URL, b); }`)
	d.press("Export CSV")
	d.reads("4,000 rows exported.")
	d.until("the file is there", "window.saved")
	lines := strings.Split(strings.TrimSuffix(js[string](t, d.page, "window.saved"), "\r\n"), "\r\n")
	require.Len(t, lines, 4001)
	require.Equal(t, "phase,datatype,line,key,field,reason,row,runs,first,last", lines[0])
	require.Regexp(t, `^pull,row,\d+,\d+,n,"""=1\+\\""x\\"""" is not a number","{""at"":""2026-01-05"",.*}",1,`, lines[1])
	d.within("syncs/rejecting, exported", 1_500, 60, 2_500_000)
	d.press("Delete")
	d.reads("its state and its list of 5,332 rejected rows are deleted. The records of 1 datatype stay.")
	d.press("Cancel")
}

// phone looks at the same on a narrow screen: what is opened begins at the top, and nothing
// sticks out.
func phone(t *testing.T, d *desk) {
	t.Helper()
	d.do(chromedp.EmulateViewport(390, 844))
	for hash, text := range map[string]string{"overview": "52 syncs", "gates/wide": "200 endpoints", "gates/fast": "1 to 25", "gates/keyed": "1 to 25", "config": "$.echo.allowTargets[0]", "audit": "Acts, newest first", "syncs": "52 syncs", "syncs/rejecting": "5,332 rejected rows"} {
		d.goes(hash)
		d.reads(text)
		d.until(hash+": nothing sticks out", `document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll(".listed td")].every((c) => c.getBoundingClientRect().right <= innerWidth)`)
		require.Empty(t, js[[]string](t, d.page, readable), hash)
		for _, scheme := range []string{"dark", "light"} {
			d.prefers(scheme)
			d.shoot("large-" + strings.ReplaceAll(hash, "/", "-") + "-390-" + scheme)
		}
	}
	d.goes("gates/wide")
	d.reads("150 lack nothing")
	require.Less(t, js[int](t, d.page, "document.documentElement.scrollHeight"), 6000, "the page of a gate with 200 endpoints is that tall")
	d.goes("syncs/rejecting")
	d.reads("1 to 25 of 5,332 rows")
	d.press("Show the rows: n is required")
	d.reads("1 to 25 of 1,332 rows")
	d.until("what was tapped shows its rows", `((r) => r.top > -1 && r.top < innerHeight)(document.querySelector(".rows").getBoundingClientRect())`)
	d.goes("syncs")
	d.reads("52 syncs")
	d.eval(`scrollTo(0, document.body.scrollHeight)`)
	d.until("it is scrolled", "scrollY > 1000")
	d.press("sync-50")
	d.until("what was tapped begins at the top", `location.hash === "#/syncs/sync-50" && scrollY === 0`)
}
