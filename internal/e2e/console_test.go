package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// desk is a user of the console, with a browser of their own.
type desk struct {
	t    *testing.T
	page context.Context
	// forgiven are parts of browser messages that are expected.
	forgiven []string

	mu    sync.Mutex
	wrong []string
}

// console opens the console at a view. A warning or an error of the browser fails the
// test, unless it is forgiven.
func (p *process) console(t *testing.T, view string, forgiven ...string) *desk {
	t.Helper()
	return consoleAt(t, p.base+"/console#/"+view, forgiven...)
}

func consoleAt(t *testing.T, address string, forgiven ...string) *desk {
	t.Helper()
	d := &desk{t: t, page: browser(t, "about:blank"), forgiven: forgiven}
	messages := chromedp.Console(d.page)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" || m.Type == "assert" {
				d.mu.Lock()
				d.wrong = append(d.wrong, m.String()+" "+m.URL)
				d.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
	complaint:
		for _, w := range d.wrong {
			for _, f := range d.forgiven {
				if strings.Contains(w, f) {
					continue complaint
				}
			}
			t.Errorf("the browser reports: %s", w)
		}
	})
	d.do(chromedp.EmulateViewport(1280, 900))
	d.open(address)
	return d
}

func (d *desk) open(address string) {
	d.t.Helper()
	_, err := chromedp.Run(d.page, chromedp.Navigate(address))
	require.NoError(d.t, err)
}

// goes goes to a view. The page shows nothing of the one before when goes returns.
func (d *desk) goes(view string) {
	d.t.Helper()
	d.eval(`const before = location.href;
		const there = new Promise((go) => { addEventListener("hashchange", go, { once: true }); });
		location.hash = ` + quote("#/"+view) + `;
		if (location.href !== before) await there`)
}

func (d *desk) do(a chromedp.Action[chromedp.Void]) {
	d.t.Helper()
	_, err := chromedp.Run(d.page, a)
	require.NoError(d.t, err)
}

// eval runs a script in the page.
func (d *desk) eval(script string) {
	d.t.Helper()
	js[bool](d.t, d.page, "(async () => { "+script+"; return true; })()")
}

// text returns the visible text of the page.
func (d *desk) text() string { return js[string](d.t, d.page, "document.body.innerText") }

// until waits until the value of the script, or of its promise, is true.
func (d *desk) until(what, script string) {
	d.t.Helper()
	eventually(d.t, what, func() error {
		if !js[bool](d.t, d.page, "(async () => !!await ("+script+"))()") {
			return fmt.Errorf("the page has:\n%s", tail(d.text(), 3000))
		}
		return nil
	})
}

// reads waits until the page has the text. A space that keeps a figure and its unit in one
// line is a space.
func (d *desk) reads(text string) {
	d.t.Helper()
	d.until(fmt.Sprintf("the page reads %q", text), `document.body.innerText.replaceAll("\u00a0", " ").includes(`+quote(text)+")")
}

// named finds a button or a link by its accessible name: in the open dialog, if there is
// one, or else on the page.
const named = `((name) => [...(document.querySelector("dialog[open]") ?? document).querySelectorAll("button, a")]
	.find((b) => (b.getAttribute("aria-label") ?? b.textContent).trim() === name && b.offsetParent !== null && !b.disabled && b.ariaBusy !== "true"))`

// press presses a button, by its name.
func (d *desk) press(name string) {
	d.t.Helper()
	d.until(fmt.Sprintf("there is a button %q", name), named+"("+quote(name)+")")
	d.eval(named + "(" + quote(name) + ").click()")
}

// types gives a field a value, as if it were typed.
func (d *desk) types(selector, value string) {
	d.t.Helper()
	d.until("there is "+selector, "document.querySelector("+quote(selector)+")")
	d.eval(`const f = document.querySelector(` + quote(selector) + `); f.focus(); f.value = ` + quote(value) + `;
		f.dispatchEvent(new Event("input", {bubbles: true})); f.dispatchEvent(new Event("change", {bubbles: true}))`)
}

// prefers sets whether the user of the browser prefers light or dark pages.
func (d *desk) prefers(scheme string) {
	d.t.Helper()
	_, err := chromedp.Call(d.page, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(d.t, err)
}

// shoot keeps a screenshot of the page, if screenshots are wanted.
func (d *desk) shoot(name string) {
	d.t.Helper()
	dir := os.Getenv("HEADGATE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(d.page, chromedp.FullScreenshot(100))
	require.NoError(d.t, err)
	require.NoError(d.t, os.MkdirAll(dir, 0o755))
	require.NoError(d.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // it is text
	}
	return string(b)
}

func (p *process) must(t *testing.T, method, path, body string) string {
	t.Helper()
	resp, answer, err := p.call(method, path, body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, "%s %s: %s", method, path, answer)
	return string(answer)
}

// A user watches a gate fill and release, opens the message and replays it.
func TestConsoleGate(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	d := p.console(t, "gates")
	d.reads("Missing: 1 more event at entry1 and 1 more event at entry2.")
	p.must(t, "POST", "/event/entry1", "from elsewhere")
	d.reads("Missing: 1 more event at entry2.")
	d.until("the bar of entry1 is full", `document.querySelector('[role="meter"]').getAttribute("aria-valuetext") === "1 of 1 events"`)
	d.until("the event is on its time line", `document.querySelectorAll(".timeline .event").length === 1`)
	d.reads("the oldest leaves in 59 min")
	d.shoot("gate-filling")

	d.eval(`document.querySelector('select[name="key"]').value = "entry2"`)
	d.press("Send a test event")
	d.reads("The window was complete: message")
	d.reads("published")
	d.reads("2 events in the last hour")
	d.reads("the latest took")
	d.reads("Missing: 1 more event at entry1 and 1 more event at entry2.")
	list := p.must(t, "GET", "/messages", "")
	var messages struct {
		Messages []struct{ EventID string }
	}
	require.NoError(t, json.Unmarshal([]byte(list), &messages))
	require.Len(t, messages.Messages, 1)
	id := messages.Messages[0].EventID
	d.press("Message " + id)
	d.reads("from elsewhere")
	d.press("Replay " + id)
	d.reads("Consumers get the message again, with its 2 events")
	d.press("Replay")
	d.reads("Published again")
	d.eval("history.back()")
	d.reads("Missing: 1 more event at entry1 and 1 more event at entry2.")
	d.shoot("gate-fired")

	p.must(t, "POST", "/event/entry1", "one more")
	d.reads("Missing: 1 more event at entry2.")
	d.press("Trigger")
	d.reads("1 event of 2 endpoints is published as one message now, although the window is incomplete: it lacks 1 more event at entry2.")
	d.press("Trigger")
	d.until("there are two messages", `document.querySelectorAll('table a[aria-label^="Message "]').length === 2`)
	p.must(t, "POST", "/event/entry1", "and again")
	d.reads("Missing: 1 more event at entry2.")
	d.press("Reset")
	d.reads("1 event is removed from the window, and no message will contain it.")
	d.press("Reset")
	d.reads("1 event removed from the window.")
	d.reads("Missing: 1 more event at entry1 and 1 more event at entry2.")
}

const tasks = `{"taskList":{"12":{"name":%q,"priority":%d},"34":{"name":"Beta","priority":2},"56":{"name":"Gamma","priority":3},"78":{"name":"Delta","priority":4}}}`

// Two people edit one draft. The source changes; they accept one field, keep another, and
// save.
func TestConsoleDraftInTwoBrowsers(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	ada, bob := p.console(t, "drafts"), p.console(t, "drafts")
	const name, priority = "#field-12-name", "#field-12-priority"
	value := func(selector string) string { return "document.querySelector(" + quote(selector) + ").value" }
	for _, d := range []*desk{ada, bob} {
		d.until("the list is there", "document.querySelector("+quote(name)+") && "+value(name)+` === "Alpha"`)
		d.reads("The draft matches the source.")
	}
	ada.types(`input[autocomplete="nickname"]`, "Ada")
	ada.types(name, "Alef")
	bob.until("Bob sees Ada's edit", value(name)+` === "Alef"`)
	bob.reads("edited by Ada")
	bob.types(`input[autocomplete="nickname"]`, "Bob")
	bob.types("#field-34-name", "Beth")
	ada.until("Ada sees Bob's edit", value("#field-34-name")+` === "Beth"`)

	begin := time.Now()
	p.must(t, "POST", "/example/set-tasks", fmt.Sprintf(tasks, "Alfa", 7))
	for _, d := range []*desk{ada, bob} {
		d.reads("2 changes at the source to decide about")
		d.until("both fields are flagged", `document.querySelectorAll("td.flagged").length === 2`)
		d.until("nothing can be saved yet", `document.querySelector("#save").disabled`)
	}
	t.Logf("both saw the flags after %v", time.Since(begin))
	ada.shoot("draft-flagged")
	ada.press("Accept the source's priority of row 12")
	bob.until("Bob sees what Ada accepted", value(priority)+` === "7"`)
	bob.reads("1 change at the source to decide about")
	bob.press("Keep our name of row 12")
	ada.reads("There are unsaved edits.")
	ada.press("Save to the source")
	ada.reads("Saved to the source.")
	bob.reads("saved by Ada")
	bob.reads("The draft matches the source.")
	require.JSONEq(t, `{"taskList":{"12":{"name":"Alef","priority":7},"34":{"name":"Beth","priority":2},"56":{"name":"Gamma","priority":3},"78":{"name":"Delta","priority":4}}}`,
		p.must(t, "GET", "/example/fetch-tasks", ""))

	// Text that a user is typing stays while others edit.
	bob.eval(`const f = document.querySelector("#field-56-name"); f.focus(); f.value = "Gim"`)
	ada.types("#field-78-name", "Dalet")
	bob.until("Bob sees it", value("#field-78-name")+` === "Dalet"`)
	require.Equal(t, "field-56-name Gim", js[string](t, bob.page, `document.activeElement.id + " " + document.activeElement.value`))
	ada.types(priority, "many")
	ada.reads("priority must be a number.")
	ada.press("Discard edits")
	ada.reads("1 edit of this list is lost for everybody")
	ada.press("Discard")
	ada.reads("The draft matches the source.")

	ada.types(`input[aria-label="Id of the new row"]`, "99")
	ada.press("Add a row")
	bob.until("the new row is there", `document.querySelector("#field-99-name")`)
	bob.press("Remove row 99")
	ada.until("and gone again", `!document.querySelector("#field-99-name")`)
}

// The console reconnects after the server was killed, and shows what happened meanwhile.
func TestConsoleReconnects(t *testing.T) {
	t.Parallel()
	p := start(t, options{addr: fixedPort(t)})
	d := p.console(t, "gates", "WebSocket", "Failed to load resource", "ERR_CONNECTION")
	d.reads("Missing: 1 more event at entry1 and 1 more event at entry2.")
	d.until("it is connected", `document.querySelector("#connection").textContent === "live"`)
	p.kill9()
	d.until("it says so", `document.querySelector("#connection").textContent !== "live"`)
	p = p.restart(t).listens(t)
	p.ready(t)
	p.must(t, "POST", "/event/entry1", "meanwhile")
	d.until("it is connected again", `document.querySelector("#connection").textContent === "live"`)
	d.reads("Missing: 1 more event at entry2.")
	p.must(t, "POST", "/event/entry2", "after")
	d.reads("published")
}

// The view Live shows the clients, their subscriptions and the changes that were sent.
func TestConsoleLive(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	d := p.console(t, "live")
	d.reads("1 client connected to this instance")
	other := browser(t, p.base+"/healthz")
	require.True(t, js[bool](t, other, listen))
	d.reads("2 clients connected to this instance")
	d.reads("items 1")
	p.put(t, 1)
	d.until("what was sent is there", `[...document.querySelectorAll('[aria-label="Latest changes"] td')].some((c) => c.textContent === "items")`)
	d.shoot("live")
	_, err := chromedp.Run(other, chromedp.Navigate("about:blank"))
	require.NoError(t, err)
	d.reads("1 client connected to this instance")
}

// With echo, the server does not fetch by itself; the page asks it to.
func TestConsoleDraftByEcho(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(data, "config.json"), []byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},"drafts":[{"name":"items","echo":true,"records":{"orgId":"default","type":"items"}}]}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", filepath.Join(data, "config.json")}})
	p.put(t, 1)
	d := p.console(t, "drafts")
	d.until("the record is there", `document.querySelector("#field-1-n")?.value === "1"`)
	d.until("it is live", `document.querySelector("#connection").textContent === "live"`)
	p.put(t, 2)
	d.reads("1 change at the source to decide about")
}
