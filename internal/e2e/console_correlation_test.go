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

// gates starts a Headgate with these services.
func gates(t *testing.T, services string) *process {
	t.Helper()
	data := t.TempDir()
	file := filepath.Join(data, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"services":[`+services+`]}`), 0o644))
	return start(t, options{data: data, args: []string{"-config", file}})
}

// A user follows the windows of correlation keys: one completes, one closes partial, and
// one is found by its key and triggered.
func TestConsoleWindowsByKey(t *testing.T) {
	t.Parallel()
	slow(t) // a window closes
	p := gates(t, `{"serviceName":"shop","trigger":{"type":"window","window":"anchored","observationPeriod":25,"condition":"orders && atLeast(1, stock, prices)","onClose":"partial"},
		"correlation":{"key":"event.body.order"},"endpoints":[{"eventKey":"orders","filter":"event.body.size != 0"},{"eventKey":"stock","minNbOfOccurrence":2},{"eventKey":"prices"}],
		"targetPubSub":{"topic":"projects/shop/topics/orders"}}`)
	d := p.console(t, "gates", "400")
	d.reads("A message is released when these have the events that they need: orders and at least 1 of (stock, prices).")
	d.reads("A window is open for 25 s from its first event. If it closes incomplete, a partial message says what is missing.")
	d.reads("The key is event.body.order.")
	d.reads("No windows are open.")
	d.until("a test event has a key", `document.querySelector('[name="content"]').value === '{"order":1}'`)
	event := func(endpoint, key string) { p.must(t, "POST", "/event/"+endpoint, `{"order":`+quote(key)+`,"size":1}`) }
	event("orders", "late")
	d.until("its row says when it closes", `/^in \d+/.test(document.querySelector('[aria-label^="Open windows"] tbody tr')?.cells[4].textContent)`)
	d.reads("1 more event at prices")
	event("stock", "whole")
	d.until("both windows are there", `document.querySelectorAll('button[aria-label^="Reset "]').length === 2`)
	require.Equal(t, []string{"late", "whole"}, js[[]string](t, d.page, keysShown))
	d.shoot("windows-open")
	event("orders", "whole")
	event("prices", "whole")
	d.until("the complete window is a message", messageOf("whole", "complete"))

	key := hostile[0]
	event("orders", key)
	d.until("its window is there", keysShown+`.includes(`+quote(key)+`)`)
	d.types(`input[type="search"]`, "no such key")
	d.press("Search")
	d.reads("This key has no open window.")
	d.types(`input[type="search"]`, key)
	d.press("Search")
	d.until("only its window is there", keysShown+`.join() === `+quote(key))
	d.press("Trigger " + key)
	d.reads("The events that wait for the key")
	d.press("Trigger")
	d.until("the window is a message", messageOf(key, "manual"))
	d.reads("This key has no open window.")
	require.True(t, js[bool](t, d.page, `window.pwned === undefined && !document.querySelector("main img")`))
	d.press("Show all keys")

	d.eval(`document.querySelector('[name="content"]').value = '{"order":"none","size":0}'`)
	d.press("Send a test event")
	d.reads("it was not stored")
	d.eval(`document.querySelector('[name="content"]').value = '{"size":1}'`)
	d.press("Send a test event")
	d.reads(`the expression in "correlation.key" refuses the event`)

	d.until("the window that closed is a message", messageOf("late", "partial"))
	d.eval(`[...document.querySelectorAll("tr")].find((r) => r.cells[1]?.textContent === "late").querySelector('a[aria-label^="Message "]').click()`)
	d.until("what was missing is on its page", `document.querySelector('[aria-label="Message"]')?.innerText.includes("1\u00a0more event at prices")`)
	d.eval("history.back()")

	event("prices", key)
	event("stock", strings.Repeat("long", 60))
	d.until("there are open windows", keysShown+`.length === 2`)
	for _, scheme := range []string{"light", "dark"} {
		d.prefers(scheme)
		for _, wide := range []int64{1280, 390} {
			what := fmt.Sprintf("windows-%s-%d", scheme, wide)
			d.do(chromedp.EmulateViewport(wide, 900))
			d.until(what+": nothing sticks out", `document.documentElement.scrollWidth <= innerWidth`)
			require.Empty(t, js[[]string](t, d.page, readable), what)
			d.shoot(what)
		}
	}
}

// keysShown lists the keys in the table of open windows.
const keysShown = `[...document.querySelectorAll('[aria-label^="Open windows"] tbody tr')].map((r) => r.cells[0].textContent)`

// messageOf tells whether a message of the key has the completion.
func messageOf(key, completion string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('[aria-label="Messages, newest first"] tbody tr')].some((r) => r.cells[1].textContent === %s && r.cells[4].textContent === %s)`,
		quote(key), quote(completion))
}

// The time line of a window that closes as a whole runs from its opening to its end.
func TestConsoleWindowThatCloses(t *testing.T) {
	t.Parallel()
	p := gates(t, `{"serviceName":"once","trigger":{"type":"window","window":"anchored","observationPeriod":3600},"endpoints":[{"eventKey":"a","minNbOfOccurrence":2},{"eventKey":"b","optional":true}],
		"targetPubSub":{"topic":"projects/p/topics/sync"}},
		{"serviceName":"daily","trigger":{"type":"window","window":"tumbling","every":"day","at":"06:00","timeZone":"Europe/Berlin","grace":900,"release":"close"},"endpoints":[{"eventKey":"c"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"}}`)
	d := p.console(t, "gates/once")
	d.reads("A message is released when every endpoint that is not optional has the events that it needs.")
	d.reads("If it closes incomplete, it is dropped.")
	d.reads("Missing: 2 more events at a. No window is open.")
	p.must(t, "POST", "/services/once/event/a", "x")
	d.reads("Missing: 1 more event at a. The window closes at ")
	d.reads("closes in 59 min")
	d.until("the event is on its time line", `document.querySelectorAll(".timeline .event").length === 1`)
	p.must(t, "POST", "/services/once/event/b", "x")
	d.until("the optional one as well", `document.querySelectorAll(".timeline .event").length === 2`)
	d.shoot("window-closes")
	p.must(t, "POST", "/services/once/event/a", "x")
	d.reads("Missing: 2 more events at a. No window is open.")
	d.until("the message says why", `document.querySelector('[aria-label="Messages, newest first"]')?.innerText.includes("complete")`)

	d.goes("gates/daily")
	d.reads("When its window closes, a message is released if every endpoint has the events that it needs.")
	d.reads("A window is one day of the calendar, from 06:00 (Europe/Berlin). It closes 15 min after its end.")
	p.must(t, "POST", "/services/daily/event/c", "x")
	d.reads("Nothing is missing. The window closes at ")
	d.until("the event is on its time line", `document.querySelectorAll(".timeline .event").length === 1`)
}

// The list of open windows has pages, and the record of a dropped window says so.
func TestConsoleManyWindows(t *testing.T) {
	t.Parallel()
	p := gates(t, `{"serviceName":"many","trigger":{"type":"window","observationPeriod":3600},"correlation":{"key":"event.body.k"},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"}},
		{"serviceName":"gone","trigger":{"type":"window","window":"anchored","observationPeriod":1},"endpoints":[{"eventKey":"c","minNbOfOccurrence":2}],
		"targetPubSub":{"topic":"projects/p/topics/sync"}}`)
	var items []string
	for i := range 45 {
		items = append(items, fmt.Sprintf(`{"k":"key %d"}`, i))
	}
	p.must(t, "POST", "/services/many/events/a", "["+strings.Join(items, ",")+"]")
	d := p.console(t, "gates/many")
	d.reads("A message is released when every endpoint has the events that it needs within 1 h.")
	d.reads("45 events in the windows of all keys.")
	d.reads("each event leaves by itself")
	d.reads("45 keys wait, as of when this page was opened.")
	d.until("a page of windows is listed", keysShown+`.length === 25`)
	d.reads("1 to 25; there are more")
	d.press("More")
	d.until("the others are listed", keysShown+`.length === 20 && ![...document.querySelectorAll("button")].some((b) => b.textContent === "More")`)
	d.reads("26 to 45; there are no more")
	d.press("Back")
	d.until("the first page is there again", keysShown+`.length === 25`)

	p.must(t, "POST", "/services/gone/event/c", "x")
	d.goes("gates/gone")
	d.until("the dropped window is recorded", `document.querySelector('[aria-label="Messages, newest first"]')?.innerText.includes("never")`)
	d.reads("dropped")
	d.until("nothing replays it", `!document.querySelector('button[aria-label^="Replay"]')`)
	d.reads("No window is open.")
}
