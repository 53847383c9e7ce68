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

// large starts a Headgate with much of everything: 200 endpoints, 52 syncs, 60 messages and
// 60 rejected rows.
func large(t *testing.T) *process {
	t.Helper()
	data := t.TempDir()
	var endpoints []string
	for i := range 200 {
		endpoints = append(endpoints, fmt.Sprintf(`{"eventKey":"source %03d with a long name that wraps"}`, i))
	}
	rows := "id,at,n\n"
	for i := range 60 {
		rows += fmt.Sprintf("%d,2026-01-05,%s\n", i, []string{"\"=1+\"\"x\"\"\"", ""}[i/40])
	}
	require.NoError(t, os.WriteFile(filepath.Join(data, "rows.csv"), []byte(rows), 0o644))
	file := filepath.Join(data, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"echo":{"allowTargets":["unused.example"]},"services":[
		{"serviceName":"wide","trigger":{"type":"window","observationPeriod":3600},"endpoints":[`+strings.Join(endpoints, ",")+`],"targetPubSub":{"topic":"projects/p/topics/wide"}},
		{"serviceName":"fast","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"a"}],"targetPubSub":{"topic":"projects/p/topics/fast"}}]}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", file}})
	for i := range 60 {
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

// The console shows much of everything: it counts all, shows what matters first, and finds
// the rest.
func TestConsoleAtScale(t *testing.T) {
	t.Parallel()
	p := large(t)
	d := p.console(t, "gates/wide")
	d.reads("200 endpoints, 50 of them missing events")
	d.until("those that lack events are first", `document.querySelector('[aria-label^="200 endpoints"] tbody tr').innerText.startsWith("source 150")`)
	d.types(`input[placeholder="Search endpoints"]`, "SOURCE 007")
	d.until("one is found", `document.querySelectorAll(".endpoints tbody tr").length === 1`)
	d.press("Reset")
	d.reads("150 events are removed from the window")
	d.until("the dialog looks grave, and Cancel has the focus", `document.querySelector("dialog.grave[open]") && document.activeElement.textContent === "Cancel"`)
	d.press("Cancel")

	messagesAtScale(t, d, p)
	syncsAtScale(t, d)
	d.eval(`location.hash = "#/config"`)
	d.reads("2 settings that nothing uses")
	d.reads("and 45 others")
	d.reads("echo.allowTargets: unused.example: no webhook or target is there")
	phone(t, d)
}

func messagesAtScale(t *testing.T, d *desk, p *process) {
	t.Helper()
	rows := func(n int) {
		t.Helper()
		d.until(fmt.Sprintf("%d messages are listed", n), fmt.Sprintf(`document.querySelectorAll('[aria-label=%s] tbody tr').length === %d`, quote(listOfMessages), n))
	}
	d.eval(`location.hash = "#/gates/fast"`)
	rows(25)
	d.reads("1 to 25; there are more")
	d.press("Older")
	d.reads("26 to 50; there are more")
	d.press("Older")
	rows(10)
	d.reads("51 to 60; there are no more")
	d.press("Newer")
	d.reads("26 to 50; there are more")
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
	for _, span := range []string{"day", "week", "hour"} {
		d.eval(`location.hash = "#/gates/fast"`)
		d.until("the charts are there", `document.querySelector(".chart")`)
		d.eval(`document.querySelector('input[value="` + span + `"]').click()`)
		d.reads("60 events in the last " + span + ", 60 messages")
		d.until("the axis has a scale", `document.querySelector(".scale").innerText.startsWith("60")`)
	}
	require.Contains(t, p.must(t, "GET", "/services/fast/messages?eventID="+id, ""), id)
}

func syncsAtScale(t *testing.T, d *desk) {
	t.Helper()
	d.eval(`location.hash = "#/syncs"`)
	d.reads("52 syncs")
	d.until("what to look at is first", `document.querySelector('[aria-label="52 syncs"] tbody tr')?.innerText.includes("rejecting")`)
	d.types(`main input[type="search"]`, "sync-4")
	d.reads("10 of 52 syncs")
	d.until("each says when it runs next", `[...document.querySelectorAll("main tbody tr")].every((r) => r.cells[3].querySelector("time"))`)

	d.eval(`location.hash = "#/syncs/rejecting"`)
	d.reads("60 rejected rows")
	d.reads("1 to 25 of 60 rows")
	d.press("More")
	d.reads("26 to 50 of 60 rows")
	require.Equal(t, "40", d.cellOf("By reason", "… is not a number", 2))
	d.press("Show the rows: n … is not a number")
	d.reads("1 to 25 of 40 rows")
	d.eval(`const make = URL.createObjectURL; URL.createObjectURL = (b) => { b.text().then((text) => { window.saved = text; }); return make.call(URL, b); }`)
	d.press("Export CSV")
	d.reads("40 rows exported.")
	d.until("the file is there", "window.saved")
	lines := strings.Split(strings.TrimSuffix(js[string](t, d.page, "window.saved"), "\r\n"), "\r\n")
	require.Len(t, lines, 41)
	require.Equal(t, "phase,datatype,line,key,field,reason,row,runs,first,last", lines[0])
	require.Regexp(t, `^pull,row,\d+,\d+,n,"""=1\+\\""x\\"""" is not a number","{""at"":""2026-01-05"",.*}",1,`, lines[1])
	d.press("Delete")
	d.reads("its state and its list of 60 rejected rows are deleted. The records of 1 datatype stay.")
	d.press("Cancel")
}

// phone looks at the same on a narrow screen: what is opened begins at the top, and nothing
// sticks out.
func phone(t *testing.T, d *desk) {
	t.Helper()
	d.do(chromedp.EmulateViewport(390, 844))
	for hash, text := range map[string]string{"overview": "52 syncs", "gates/wide": "200 endpoints", "gates/fast": "1 to 25", "syncs": "52 syncs", "syncs/rejecting": "60 rejected rows"} {
		d.eval(`location.hash = "#/` + hash + `"`)
		d.reads(text)
		d.until(hash+": nothing sticks out", `document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll(".listed td")].every((c) => c.getBoundingClientRect().right <= innerWidth)`)
		require.Empty(t, js[[]string](t, d.page, readable), hash)
		d.shoot("large-" + strings.ReplaceAll(hash, "/", "-") + "-390")
	}
	d.eval(`location.hash = "#/syncs/rejecting"`)
	d.reads("1 to 25 of 60 rows")
	d.press("Show the rows: n is required")
	d.reads("1 to 20 of 20 rows")
	d.until("what was tapped shows its rows", `((r) => r.top > -1 && r.top < innerHeight)(document.querySelector(".rows").getBoundingClientRect())`)
	d.eval(`location.hash = "#/syncs"`)
	d.reads("52 syncs")
	d.eval(`scrollTo(0, document.body.scrollHeight)`)
	d.until("it is scrolled", "scrollY > 1000")
	d.press("sync-50")
	d.until("what was tapped begins at the top", `location.hash === "#/syncs/sync-50" && scrollY === 0`)
}
