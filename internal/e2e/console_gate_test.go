package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// rowOf finds a row of the table with this name that contains the text.
func rowOf(table, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('[aria-label=%s] tbody tr')].find((r) => r.innerText.includes(%s))`, quote(table), quote(text))
}

const listOfMessages = "Messages, newest first"

// A user sees what became of a message at each target, of events that are in no window, and
// of windows that closed incomplete.
func TestConsoleTargetsCountsAndAlerts(t *testing.T) {
	t.Parallel()
	slow(t) // a window closes
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(target.Close)
	data := t.TempDir()
	file := filepath.Join(data, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"echo":{"allowTargets":["`+strings.TrimPrefix(target.URL, "http://")+`"]},"services":[
		{"serviceName":"shop","trigger":{"type":"window","window":"anchored","observationPeriod":3600,"onClose":"partial"},
		"correlation":{"key":"event.body.order"},"endpoints":[{"eventKey":"orders","filter":"event.body.size != 0","distinct":"event.body.line"},{"eventKey":"stock"}],
		"feeds":[{"name":"bucket","routes":[{"when":"false","eventKey":"stock"}],"otherwise":"drop"}],"expect":[{"cron":"30 6 1 1 *"}],"maxPending":3,
		"targets":[{"name":"bus","pubsub":{"topic":"projects/shop/topics/orders"}},{"name":"depot","http":{"url":"`+target.URL+`/away"}},{"name":"archive","http":{"url":"`+target.URL+`/gone"}}]},
		{"serviceName":"gone","trigger":{"type":"window","window":"anchored","observationPeriod":1},"correlation":{"key":"event.body.k"},
		"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"alerts":{"topic":"projects/shop/topics/alerts"},"targetPubSub":{"topic":"projects/shop/topics/orders"}}]}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", file}})
	send := func(path, body string) { p.must(t, "POST", "/services/"+path, body) }
	d := p.console(t, "gates/shop", "429")
	d.reads("A complete message is expected by 30 6 1 1 * (UTC). While more than 3 events wait, further ones are refused. " +
		"Messages go to bus (projects/shop/topics/orders), depot (" + target.URL + "/away) and archive (" + target.URL + "/gone).")

	send("shop/event/orders", `{"order":"17","size":0,"line":1}`)
	send("shop/feed/bucket", `{}`)
	send("shop/event/orders", `{"order":"17","size":1,"line":1}`)
	send("shop/event/orders", `{"order":"17","size":2,"line":1}`)
	d.until("what is in no window is counted", rowOf("Events of all keys", "orders")+`?.cells[3].textContent === "1 filtered, 1 superseded"`)
	d.reads("Of the feed bucket, no route took: 1 dropped.")
	d.reads("Events in no window are counted by the instance that answered, since ")
	d.until("the deadline is on the time line of the window", `/^opened .*, closes /.test(document.querySelector(".deadline")?.getAttribute("aria-label"))`)

	traced, err := http.NewRequest(http.MethodPost, p.base+"/services/shop/event/stock", strings.NewReader(`{"order":"17"}`))
	require.NoError(t, err)
	traced.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(traced)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	for _, want := range []string{"bus delivered", "depot pending: ", "503", "archive failed: ", "410"} {
		d.until("its targets have "+want, rowOf(listOfMessages, "17")+`?.cells[3].innerText.includes(`+quote(want)+`)`)
	}
	d.until("only the one that gave up is offered", `document.querySelectorAll('button[aria-label$=" to archive"]').length === 1 && !document.querySelector('button[aria-label$=" to depot"]')`)
	d.eval(rowOf(listOfMessages, "17") + `.querySelector("a").click()`)
	d.until("its page has its targets", rowOf("Targets", "archive")+`?.cells[1].innerText === "failed"`)
	d.reads("4bf92f3577b34da6a3ce929d0e0e4736")
	d.eval(rowOf("Targets", "bus") + `.querySelector("button").click()`)
	d.reads("The target bus gets the message again, with its 2 events (")
	d.press("Replay")
	d.reads("Published again")
	d.eval("history.back()")
	d.types(`select[name="messages"]`, "&state=claimed")
	d.until("the message is not at all targets", rowOf(listOfMessages, "17"))
	d.types(`select[name="messages"]`, "&completion=partial")
	d.reads("There are none.")
	d.types(`select[name="messages"]`, "")

	for _, key := range []string{"18", "19", "20", "21"} {
		send("shop/event/stock", `{"order":"`+key+`"}`)
	}
	d.reads("4 events wait, which is more than maxPending: sources get 429 for further ones.")
	d.types(`input[type="search"]`, "17")
	d.press("Search")
	d.reads("Only those of the key 17.")
	d.until("its message is there", rowOf(listOfMessages, "17"))
	d.types(`input[type="search"]`, "18")
	d.press("Search")
	d.reads("There are none.")
	d.until("its window is there", `(`+keysShown+`).join() === "18"`)
	d.shoot("gate-targets")

	d.goes("gates/gone")
	d.reads("No windows are open.")
	send("gone/event/a", `{"k":`+quote(hostile[0])+`}`)
	const alert = "window closed incomplete: dropped"
	d.until("there is an alert", rowOf("Latest alerts", alert))
	d.until("with the key and what was missing", fmt.Sprintf(`((c) => c[2].textContent === %s && c[3].textContent === "1\u00a0more event at b" && c[4].textContent === "yes")(%s.cells)`,
		quote(hostile[0]), rowOf("Latest alerts", alert)))
	d.types(`select[name="messages"]`, "&state=dropped")
	d.until("the record is found", rowOf(listOfMessages, "never"))
	require.True(t, js[bool](t, d.page, `window.pwned === undefined && !document.querySelector("main img")`))
	d.do(chromedp.EmulateViewport(390, 900))
	d.until("nothing sticks out", `document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll(".listed td")].every((c) => c.getBoundingClientRect().right <= innerWidth)`)
	require.Empty(t, js[[]string](t, d.page, readable))
	d.shoot("gate-alerts-390")
}

// A window that lacks events stands before one that only waits for its end.
func TestConsoleMissingFirst(t *testing.T) {
	t.Parallel()
	p := gates(t, `{"serviceName":"s","trigger":{"type":"window","window":"anchored","observationPeriod":3600,"release":"close"},"correlation":{"key":"event.body.k"},
		"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"projects/p/topics/sync"}}`)
	for _, e := range []string{"a whole", "b whole", "a half"} {
		endpoint, key, _ := strings.Cut(e, " ")
		p.must(t, "POST", "/event/"+endpoint, `{"k":"`+key+`"}`)
	}
	d := p.console(t, "gates")
	d.until("the incomplete one is first", `(`+keysShown+`).join() === "half,whole"`)
	d.reads("1 more event at b")
}

// While the store does not answer, the page says so and asks again. What it shows stays
// where it is.
func TestConsoleIsNotUpToDate(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	d := p.console(t, "gates")
	d.reads("Missing: 1 more event at entry1 and 1 more event at entry2.")
	d.reads("no message in the last hour")
	d.eval(`window.shift = 0; new PerformanceObserver((l) => { for (const e of l.getEntries()) shift += e.value; }).observe({ type: "layout-shift" })`)
	p.must(t, "POST", "/event/entry1", "x")
	d.reads("Missing: 1 more event at entry2.")
	d.reads("1 event in the last hour")
	require.Less(t, js[float64](t, d.page, "shift"), 0.02, "nothing moves under the pointer")

	d.eval(`window.answers = window.fetch; window.fetch = async (...a) => String(a[0]) === "status" ? new Response('{"detail":"the store <b>does not</b> answer"}', { status: 503 }) : answers(...a)`)
	p.must(t, "POST", "/event/entry1", "y")
	d.reads("This view is not up to date (what you see is of ")
	d.reads("): the store <b>does not</b> answer")
	d.until("a screen reader is told", `document.querySelector('main [role="alert"]').innerText.includes("not up to date")`)
	d.reads("What is missing is unknown since ")
	d.until("nor does its state claim anything", `document.querySelector("main .pill").textContent === "unknown"`)
	d.shoot("gate-not-up-to-date")
	d.eval(`window.fetch = answers`)
	d.until("it asked again", `!document.body.innerText.includes("not up to date")`)
	d.until("and is up to date", `document.querySelector('[role="meter"]').getAttribute("aria-valuetext") === "2 of 1 events"`)
}
