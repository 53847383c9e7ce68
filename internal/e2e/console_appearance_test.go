package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// busy starts a Headgate that has something to show in every view.
func busy(t *testing.T) *process {
	t.Helper()
	outside := start(t, options{}) // its example includes a system outside
	data := readings(t)
	require.NoError(t, os.WriteFile(filepath.Join(data, "config.json"), []byte(`{"serviceName":"Nightly close","trigger":{"type":"window","observationPeriod":1800},
		"endpoints":[{"eventKey":"orders","minNbOfOccurrence":5},{"eventKey":"stock","minNbOfOccurrence":3},{"eventKey":"prices"}],
		"targetPubSub":{"topic":"projects/shop/topics/close"},
		"drafts":[{"name":"task-list-1","externalData":{"url":"`+outside.base+`/example"}}]}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", filepath.Join(data, "config.json")}})
	send := func(key string, n int) {
		for i := range n {
			p.must(t, "POST", "/event/"+key, fmt.Sprintf(`{"n":%d}`, i))
		}
	}
	for range 3 {
		send("orders", 5)
		send("prices", 1)
		send("stock", 2)
		send("stock", 1)
	}
	send("orders", 3)
	send("stock", 3)
	p.must(t, "POST", "/sync", `{"id":"readings","name":"Well readings","orgId":"mywell","type":"pull","datasource":{"type":"csv","fileUrl":"testdata/readings.csv","selectedDatatypes":["reading"]},
		"mapping":{"reading":{"key":["well","at"],"fields":{"well":{"from":"well"},"at":{"from":"at"},"value":{"from":"value_m","type":"number","required":true}}}}}`)
	p.must(t, "POST", "/sync/readings/run?wait=true", "")
	p.must(t, "POST", "/sync", `{"id":"yearly","orgId":"o","type":"pull","frequency":"0 0 31 12 *","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["a"]}}`)
	outside.must(t, "POST", "/example/register-for-webhook", `{"url":"`+p.base+`/echo-external-data-webhook"}`)
	for _, status := range []int{204, 503} { // of the receivers of our own webhooks
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(receiver.Close)
		p.must(t, "POST", "/register-for-webhook", fmt.Sprintf(`{"url":"%s/crm/changes?list=%d"}`, receiver.URL, status))
	}
	p.must(t, "GET", "/drafts/task-list-1", "")
	p.must(t, "PATCH", "/drafts/task-list-1", `{"by":"Ada","rows":{"12":{"name":"Alef"},"34":{"name":"Beth"}}}`)
	outside.must(t, "POST", "/example/set-tasks", fmt.Sprintf(tasks, "Alfa", 7))
	eventually(t, "both receivers were called", func() error {
		if w := p.must(t, "GET", "/webhooks", ""); !strings.Contains(w, `"lastStatus":204`) || !strings.Contains(w, `"lastStatus":503`) {
			return fmt.Errorf("they are %s", w)
		}
		return nil
	})
	eventually(t, "the draft has flags", func() error {
		if d := p.must(t, "GET", "/drafts/task-list-1", ""); !strings.Contains(d, `"incoming":"Alfa"`) {
			return fmt.Errorf("it is %s", d)
		}
		return nil
	})
	return p
}

// view is a view of the console, with a text that it shows when it is complete. follow is the
// selector of a link in it that leads to more, which the text belongs to.
type view struct{ name, hash, follow, text string }

var views = []view{
	{"overview", "overview", "", "Well readings"},
	{"gate", "gates", "", "Missing: 2 more events at orders and 1 more event at prices."},
	{"message", "gates", `a[aria-label^="Message "]`, "Attempts"},
	{"syncs", "syncs", "", "Well readings"},
	{"sync", "syncs/readings", "", "rejected rows"},
	{"draft", "drafts", "", "2 changes at the source to decide about"},
	{"live", "live", "", "Latest changes"},
	{"webhooks", "webhooks", "", "list=503"},
	{"webhook", "webhooks", `a[href^="#/webhooks/"]`, "Deliveries, newest first: 1 of 1"},
	{"audit", "audit", "", "Acts, newest first"},
	{"config", "config", "", "What is in effect"},
}

// opens opens a view, and waits until it is complete.
func (d *desk) opens(v view) {
	d.goes(v.hash)
	if v.follow != "" {
		d.until(v.name+": it has the link", `document.querySelector(`+quote("main "+v.follow)+`) !== null`)
		d.eval(`document.querySelector(` + quote("main "+v.follow) + `).click()`)
	}
	d.reads(v.text)
}

// readable lists the texts whose contrast with their background is too low for WCAG's
// level AA.
const readable = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgb = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
	const bad = [];
	for (const e of document.querySelectorAll("body *")) {
		if (e.closest("svg, [disabled], dialog:not([open]), .skip, noscript, option") || e.offsetParent === null) continue;
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && !e.matches("input, textarea")) continue;
		const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.push(e.tagName + " " + e.textContent.slice(0, 40) + " " + ratio.toFixed(2));
	}
	return bad;
})()`

// cramped lists the cells of tables that are so narrow that their text runs down the page, a
// few letters in a line.
const cramped = `[...document.querySelectorAll("td")].filter((c) => c.innerText.trim() && c.clientWidth < 72 && c.clientHeight > 130).map((c) => c.innerText.slice(0, 60))`

// spilled lists the cells whose text runs into the next one.
const spilled = `[...document.querySelectorAll("main td")].filter((c) => c.offsetParent && c.scrollWidth > c.clientWidth + 1).map((c) => c.innerText.slice(0, 60))`

// broken lists the figures, with their units, and the times of day that are in two lines.
const broken = `(() => {
	const figure = /\d[\d.,]*[ \u00a0](?:more|ms|s|min|h|days|bytes?|[kMGT]B)(?![\w-])|\d+:\d\d(?::\d\d)?[ \u00a0\u202f][AP]M|\d{4}-\d\d-\d\d/g;
	const found = [];
	const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
	for (let n = texts.nextNode(); n; n = texts.nextNode()) {
		if (!n.parentElement.checkVisibility() || n.parentElement.closest("code, pre, .json")) continue;
		for (const m of n.data.matchAll(figure)) {
			const r = document.createRange();
			r.setStart(n, m.index);
			r.setEnd(n, m.index + m[0].length);
			if (new Set([...r.getClientRects()].map((b) => Math.round(b.top))).size > 1) found.push(m[0]);
		}
	}
	return found;
})()`

// Every view, light and dark, on a wide screen and on a phone: nothing overflows sideways,
// all text is readable, no cell is cramped, and no figure is apart from its unit.
func TestConsoleLooks(t *testing.T) {
	t.Parallel()
	p := busy(t)
	d := p.console(t, "gates")
	for _, scheme := range []string{"light", "dark"} {
		d.prefers(scheme)
		for _, size := range []struct {
			name string
			w, h int64
		}{{"wide", 1280, 900}, {"phone", 390, 844}} {
			d.do(chromedp.EmulateViewport(size.w, size.h))
			for _, v := range views {
				what := fmt.Sprintf("%s, %s, %s", v.name, scheme, size.name)
				d.opens(v)
				if v.name == "gate" {
					d.until(what+": all of it is there", `document.querySelectorAll('a[aria-label^="Message "]').length === 3 && document.querySelectorAll(".chart rect").length > 3`)
				}
				d.until(what+": nothing sticks out", `document.documentElement.scrollWidth <= innerWidth`)
				require.Empty(t, js[[]string](t, d.page, readable), what)
				require.Empty(t, js[[]string](t, d.page, cramped), what)
				require.Empty(t, js[[]string](t, d.page, spilled), what)
				require.Empty(t, js[[]string](t, d.page, broken), what)
				if size.name == "phone" {
					require.LessOrEqual(t, js[int](t, d.page, `document.querySelector("header").offsetHeight`), 72, "%s: the header leaves the screen to the view", what)
				}
				d.shoot(fmt.Sprintf("%s-%s-%s", v.name, scheme, size.name))
			}
		}
	}
	ground := js[string](t, d.page, `getComputedStyle(document.body).backgroundColor`)
	d.types("#theme", "light")
	require.NotEqual(t, ground, js[string](t, d.page, `getComputedStyle(document.body).backgroundColor`), "a person's choice wins over the system's")
}

// A screen reader finds landmarks, and a name for every control.
func TestConsoleNamesAndRoles(t *testing.T) {
	t.Parallel()
	p := busy(t)
	d := p.console(t, "gates")
	d.do(chromedp.EmulateViewport(1280, 900))
	need := []string{"button", "link", "textbox", "combobox", "meter", "progressbar", "image", "table", "region", "dialog", "searchbox", "spinbutton"}
	check := func(view string) map[string]int {
		tree, err := chromedp.Call(d.page, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		require.NoError(t, err)
		roles := map[string]int{}
		for _, n := range tree.Nodes {
			if n.Ignored || n.Role == nil {
				continue
			}
			role := strings.Trim(string(n.Role.Value), `"`)
			roles[role]++
			if slices.Contains(need, role) && (n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "") {
				t.Errorf("%s: a %s has no name (its children: %v)", view, role, n.ChildIDs)
			}
		}
		for _, landmark := range []string{"main", "banner", "navigation"} {
			require.Equal(t, 1, roles[landmark], "%s: %s", view, landmark)
		}
		require.NotZero(t, roles["heading"], view)
		return roles
	}
	for _, v := range views {
		d.opens(v)
		roles := check(v.name)
		switch v.name {
		case "gate":
			require.Equal(t, 3, roles["meter"])
			d.until("charts are there", `document.querySelector(".chart")`)
			require.NotZero(t, check(v.name)["image"], "charts say what they show")
		case "sync":
			require.NotZero(t, roles["progressbar"])
		}
	}
	d.goes("syncs")
	d.press("New sync")
	d.reads("The definition is valid.")
	check("the editor")
}

// Everything can be done with the keyboard, in reading order.
func TestConsoleKeyboard(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	d := p.console(t, "gates")
	d.reads("Missing: 1 more event at entry1 and 1 more event at entry2.")
	focused := func() string {
		return js[string](t, d.page, `((e) => (e.getAttribute("aria-label") ?? e.labels?.[0]?.firstChild.textContent ?? e.textContent).trim())(document.activeElement)`)
	}
	press := func(keys string, mod ...chromedp.KeyOption) {
		_, err := chromedp.Run(d.page, chromedp.KeyEvent(keys, mod...))
		require.NoError(t, err)
	}
	var order []string
	for range 17 {
		press(kb.Tab)
		order = append(order, focused())
	}
	require.Equal(t, []string{
		"Skip to the content", "Headgate", "Overview", "Gates", "Syncs", "Drafts", "Live", "Webhooks", "Audit", "Config", "Theme", "Keyboard shortcuts", "Trigger", "Reset", "Endpoint", "Content", "Send a test event",
	}, order)
	press(kb.Enter)
	d.reads("Missing: 1 more event at entry2.")
	require.Equal(t, "Send a test event", focused(), "the focus is where it was")
	for range 4 {
		press(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))
	}
	require.Equal(t, "Trigger", focused())
	press(kb.Enter)
	d.reads("although the window is incomplete: it lacks 1 more event at entry2")
	press(kb.Escape)
	d.until("the question is gone", `!document.querySelector("dialog[open]")`)
	require.Equal(t, "Trigger", focused(), "the focus is where it was")
	d.reads("Missing: 1 more event at entry2.")

	d.goes("drafts")
	d.reads("The draft matches the source.")
	d.eval(`document.querySelector("#field-12-name").focus(); document.activeElement.select()`)
	press("Alef")
	press(kb.Tab)
	d.reads("There are unsaved edits.")
	require.Equal(t, "priority of row 12", focused(), "what was drawn anew has the focus still")
	require.Contains(t, p.must(t, "GET", "/drafts/task-list-1", ""), `"name":"Alef"`)
	d.eval(`document.querySelector(".skip").focus()`)
	press(kb.Enter)
	require.Equal(t, "main", js[string](t, d.page, `document.activeElement.id`))
}

// hostile texts would do harm if they were treated as markup.
var hostile = []string{
	`<img src=x onerror="window.pwned=1">`, `<script>window.pwned=1</script>`, `"><svg onload=window.pwned=1>`, `javascript:window.pwned=1`,
	"\u202egnp.exe \u2066 right to left \u05e9\u05dc\u05d5\u05dd", "👩‍👩‍👧‍👦 é e\u0301 \u0000 zero", `__proto__`, `constructor`, `{{7*7}} ${7*7} %s`,
}

// Data from outside is always shown as text.
func TestConsoleShowsTextAsText(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	long := strings.Repeat("long ", 1<<18)[:1<<20]
	endpoints, list := []string{}, []string{}
	csv := "id,name\n"
	for i, h := range hostile {
		endpoints = append(endpoints, `{"eventKey":`+quote(h)+`,"minNbOfOccurrence":5}`)
		csv += fmt.Sprintf("%d,%s\n", i, `"`+strings.ReplaceAll(strings.ReplaceAll(h, `"`, `""`), "\x00", "")+`"`)
		list = append(list, quote(h)+`:{"name":`+quote(h)+`,"priority":1}`)
	}
	csv += "10,\"" + long[:600_000] + "\"\n1000,\"" + long + "\"\n" // the second is too long for a record
	require.NoError(t, os.WriteFile(filepath.Join(data, "a.csv"), []byte(csv), 0o644))
	source := start(t, options{}) // its example includes the system outside
	require.NoError(t, os.WriteFile(filepath.Join(data, "config.json"), []byte(`{"serviceName":`+quote(hostile[0])+`,"trigger":{"type":"window","observationPeriod":3600},
		"endpoints":[`+strings.Join(endpoints, ",")+`],"targetPubSub":{"topic":"projects/p/topics/sync"},
		"drafts":[{"name":"task-list-1","externalData":{"url":"`+source.base+`/example"}}]}`), 0o644))
	source.must(t, "POST", "/example/set-tasks", `{"taskList":{`+strings.Join(list, ",")+`,"long":{"name":`+quote(long[:100_000])+`,"priority":2}}}`)
	p := start(t, options{data: data, args: []string{"-config", filepath.Join(data, "config.json")}})
	d := p.console(t, "gates")
	const harmless = `window.pwned === undefined && !document.querySelector("main img, main script, main svg[onload], main b")`

	d.until("the service is there", `document.querySelector("h2")?.textContent === `+quote(hostile[0]))
	for _, h := range hostile {
		d.until("endpoint "+h, `[...document.querySelectorAll("h3")].some((h) => h.textContent === `+quote(h)+`)`)
	}
	d.eval(`document.querySelector('[name="content"]').value = ` + quote(hostile[1]))
	d.press("Send a test event")
	d.reads("The event was stored.")
	p.must(t, "POST", "/events/"+"constructor", `[{"a":`+quote(long[:900_000])+`}]`)
	d.press("Trigger")
	d.press("Trigger")
	d.until("the message is there", `document.querySelector('a[aria-label^="Message "]')`)
	d.eval(`document.querySelector('a[aria-label^="Message "]').click()`)
	d.until("its content is there, as far as it is shown", `document.querySelector("main pre")?.textContent.length > 1000`)
	require.True(t, js[bool](t, d.page, harmless))

	p.must(t, "POST", "/sync", `{"id":"h","name":`+quote(hostile[0])+`,"orgId":`+quote(hostile[1])+`,"type":"pull","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":[`+quote(hostile[0])+`]}}`)
	p.must(t, "POST", "/sync/h/run?wait=true", "")
	d.goes("syncs/h")
	for _, h := range hostile {
		if !strings.Contains(h, "\x00") {
			d.until("row "+h, `[...document.querySelectorAll("td")].some((c) => c.textContent === `+quote(h)+`)`)
		}
	}
	d.until("the long one is cut", `[...document.querySelectorAll("td")].some((c) => c.textContent.includes("600,000 characters"))`)
	d.reads("is the most")
	d.press("Edit")
	d.until("the editor is there", `document.querySelector("#def-name")?.value === `+quote(hostile[0]))
	require.True(t, js[bool](t, d.page, harmless))

	d.goes("drafts")
	for _, h := range hostile {
		d.until("draft "+h, `[...document.querySelectorAll(".draft input")].some((i) => i.value === `+quote(strings.ReplaceAll(h, "\n", ""))+`)`)
	}
	d.eval(`const i = [...document.querySelectorAll(".draft input")].find((i) => i.getAttribute("aria-label") === "name of row __proto__"); i.value = "renamed"; i.dispatchEvent(new Event("change"))`)
	d.reads("There are unsaved edits.")
	require.Contains(t, p.must(t, "GET", "/drafts/task-list-1", ""), `"renamed"`)
	require.True(t, js[bool](t, d.page, harmless))

	for _, hash := range []string{"overview", "config", "syncs"} {
		d.goes(hash)
		d.until(hash+" has the name", `document.querySelector("main").textContent.includes(`+quote(hostile[0])+`)`)
		require.True(t, js[bool](t, d.page, harmless))
	}

	d.goes("live")
	other := browser(t, p.base+"/healthz")
	require.True(t, js[bool](t, other, `import("/live/client.js").then((m) => { m.connect().subscribe(`+quote(hostile[0])+`, `+quote(hostile[1])+`, () => {}); return true; })`))
	d.until("the subscription is there", `[...document.querySelectorAll("main li")].some((l) => l.textContent === `+quote(hostile[0]+" "+hostile[1])+`)`)
	require.True(t, js[bool](t, d.page, harmless))
}

// Where tokens are required, the page asks its user for one and uses it.
func TestConsoleSignIn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	// SHA-256 of "letmein"
	require.NoError(t, os.WriteFile(filepath.Join(data, "config.json"), []byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},
		"auth":{"tokens":[{"name":"desk","sha256":"1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032","roles":["read","ingest","operate"]}]}}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", filepath.Join(data, "config.json")}})
	d := p.console(t, "gates", "401")
	d.reads("This deployment requires a bearer token.")
	d.types("#token", "wrong")
	d.press("Sign in")
	d.until("it asks again", `document.querySelector("#signin").open && document.querySelector("#token").value === ""`)
	d.types("#token", "letmein")
	d.press("Sign in")
	d.reads("Missing: 1 more event at a and 1 more event at b.")
	d.until("it is live", `document.querySelector("#connection").textContent === "live"`)
	d.press("Send a test event")
	d.reads("Missing: 1 more event at b.")
	require.NotContains(t, p.stderr.String(), "letmein")
}

// The page's policy blocks foreign content, and an idle page sends no requests.
func TestConsolePolicyAndQuiet(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	resp, err := http.Get(p.base + "/console")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		require.Contains(t, policy, want)
	}
	require.NotContains(t, policy, "unsafe")
	d := p.console(t, "gates", "Content Security Policy", "TrustedHTML")
	d.stopsClock()
	d.reads("Missing: 1 more event at entry1 and 1 more event at entry2.")
	d.until("it is live", `document.querySelector("#connection").textContent === "live"`)
	require.True(t, js[bool](t, d.page, `(() => { try { document.body.innerHTML = "<b>no</b>"; return false; } catch { return true; } })()`))
	d.until("the first requests have ended: ten seconds pass, three times, and nothing is asked for", `(async () => {
		const before = requests.all;
		for (let i = 0; i < 3; i++) {
			elapse(10_000);
			await new Promise((r) => setTimeout(r));
		}
		return requests.open === 0 && before === requests.all;
	})()`)
	asked := js[int](t, d.page, "requests.all")
	p.must(t, "POST", "/event/entry1", "x")
	d.until("something happened", fmt.Sprintf("requests.all > %d", asked))
}
