package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// question is a confirmation of the console that states counts.
type question struct {
	hash, ready string // where it is asked, and what the page reads before
	press       string
	change      func() // changes what it states, while the page hears of nothing
	states      string
}

// A confirmation that states counts states those of the moment at which it is asked, although
// the page shows older ones. While they are loaded, the button shows that it works. If they
// cannot be loaded, the page says why, and asks nothing.
func TestConsoleConfirmsWhatIsTrue(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	service := func(name, more string) string {
		return `{"serviceName":"` + name + `","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"projects/p/topics/sync"}` + more + `}`
	}
	file := filepath.Join(data, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"services":[`+service("plain", "")+`,`+service("keyed", `,"correlation":{"key":"event.body.k"}`)+`],
		"drafts":[{"name":"items","records":{"orgId":"default","type":"items"}}]}`), 0o644))
	p := start(t, options{data: data, args: []string{"-config", file}})
	plain := func() { p.must(t, "POST", "/services/plain/event/a", "x") }
	keyed := func() { p.must(t, "POST", "/services/keyed/event/a", `{"k":"7"}`) }
	rows := "id,n\n"
	reject := func() {
		rows += fmt.Sprintf("%d,\n", len(rows))
		require.NoError(t, os.WriteFile(filepath.Join(data, "rows.csv"), []byte(rows), 0o644))
		p.must(t, "POST", "/sync/s/run?wait=true", "")
	}
	p.must(t, "POST", "/sync", `{"id":"s","orgId":"o","type":"pull","maxRejected":1,"datasource":{"type":"csv","fileUrl":"rows.csv","selectedDatatypes":["row"]},
		"mapping":{"row":{"key":["id"],"fields":{"n":{"from":"n","type":"number","required":true}}}}}`)
	p.must(t, "POST", "/register-for-webhook", `{"url":"http://127.0.0.1:1/nobody","types":["dev.headgate.records.changed.v1"]}`)
	made := 0
	deliver := func() {
		made++
		p.put(t, made)
		eventually(t, "the delivery was made", func() error {
			if !strings.Contains(p.must(t, "GET", "/webhooks", ""), fmt.Sprintf(`"next":%d`, made+1)) {
				return errors.New("it was not")
			}
			return nil
		})
	}
	keyed()
	reject()
	deliver()
	p.must(t, "GET", "/drafts/items", "")
	p.must(t, "PATCH", "/drafts/items", `{"rows":{"1":{"n":10}}}`)
	var hook struct{ Webhooks []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(p.must(t, "GET", "/webhooks", "")), &hook))

	d := p.console(t, "overview", "503")
	for _, q := range []question{
		{"gates/plain", "Missing: 1 more event at a and 1 more event at b.", "Reset", plain, "1 event is removed from the window, and no message will contain it."},
		{"gates/plain", "Missing: 1 more event at b.", "Trigger", plain, "2 events of 2 endpoints are published as one message now"},
		{"gates/keyed", "1 event in the windows of all keys.", "Reset", keyed, "2 events are removed from the windows of all keys"},
		{"gates/keyed", "2 events in the windows of all keys.", "Reset 7", keyed, "wait for the key 7 (3 events) are removed"},
		{"gates/keyed", "3 events in the windows of all keys.", "Trigger 7", keyed, "wait for the key 7 (4 events) are published"},
		{"syncs/s", "1 rejected row", "Retry rejects", reject, "A run tries 2 rows again"},
		{"syncs/s", "2 rejected rows", "Delete", reject, "its state and its list of 3 rejected rows are deleted"},
		{"webhooks/" + hook.Webhooks[0].ID, "1 delivery", "Rotate secret", deliver, "The 2 deliveries that wait and all later ones"},
		{"drafts", "1 change at the source to decide about", "Discard edits", func() {}, "1 edit of this list is lost for everybody"},
	} {
		d.confirms(q)
	}
}

// confirms asks a question of the console, and cancels it.
func (d *desk) confirms(q question) {
	d.t.Helper()
	const asked = `document.querySelector("dialog[open]")`
	d.goes(q.hash)
	d.reads(q.ready)
	d.eval(`window.answers ??= window.fetch; window.fetch = async () => new Response('{"detail":"the store did not answer"}', { status: 503 })`)
	d.press(q.press)
	d.until(q.press+": the page says why it does not ask", `document.querySelector("#toasts").innerText.includes("the store did not answer")`)
	require.False(d.t, js[bool](d.t, d.page, "!!"+asked), q.press)
	d.eval(`document.querySelector("#toasts").replaceChildren();
		const held = new Promise((go) => { window.release = go; }); window.fetch = async (...a) => { await held; return answers(...a); }`)
	q.change()
	d.press(q.press)
	d.until(q.press+": the button works", `document.querySelector('button[aria-busy="true"]')`)
	require.False(d.t, js[bool](d.t, d.page, "!!"+asked), "%s: it asks only when it knows", q.press)
	d.eval(`window.fetch = answers; release()`)
	d.until(q.press+": it states "+q.states, asked+`?.innerText.includes(`+quote(q.states)+`)`)
	d.press("Cancel")
	d.until(q.press+": nothing is asked", "!"+asked)
}
