package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// shop is a deployment whose console is in the pictures of the documents.
const shop = `{"services":[
	{"serviceName":"nightly-close","trigger":{"type":"window","observationPeriod":3600},
		"endpoints":[{"eventKey":"orders","minNbOfOccurrence":5},{"eventKey":"stock","minNbOfOccurrence":3},{"eventKey":"prices"}],"targetPubSub":{"topic":"projects/shop/topics/close"}},
	{"serviceName":"shipments","trigger":{"type":"window","window":"anchored","observationPeriod":3600,"onClose":"partial"},"correlation":{"key":"event.body.order"},
		"endpoints":[{"eventKey":"paid"},{"eventKey":"packed","minNbOfOccurrence":2},{"eventKey":"label"}],"targetPubSub":{"topic":"projects/shop/topics/shipments"}},
	{"serviceName":"invoices","trigger":{"type":"window","window":"anchored","observationPeriod":39600,"onClose":"partial"},
		"endpoints":[{"eventKey":"invoice"},{"eventKey":"tax"}],"targetPubSub":{"topic":"projects/shop/topics/invoices"}}],
	"echo":{"allowTargets":["crm.example"]}}`

// The views that the documents show say what the documents say that they show.
// scripts/screenshot takes their pictures.
func TestConsoleOfTheDocuments(t *testing.T) {
	t.Parallel()
	data := readings(t)
	file := filepath.Join(data, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(shop), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(data, "testdata", "rain.csv"), []byte("id,mm\nnorth,12\nsouth,8\n"), 0o644))
	p := start(t, options{data: data, args: []string{"-config", file}})
	send := func(service, endpoint, body string) {
		p.must(t, "POST", "/services/"+service+"/event/"+endpoint, body)
	}
	for i := range 33 { // three messages, and 3 of 5 orders, 3 of 3 of stock
		send("nightly-close", []string{"orders", "stock", "orders", "stock", "orders", "stock", "orders", "orders", "prices"}[i%9], fmt.Sprintf(`{"n":%d}`, i))
	}
	for order, endpoints := range [][]string{{"paid", "packed", "packed", "label"}, {"paid", "packed"}, {"paid"}, {"paid", "packed"}, {"paid", "label"}, {"paid"}} {
		for _, endpoint := range endpoints {
			send("shipments", endpoint, fmt.Sprintf(`{"order":%d}`, 4711+order))
		}
	}
	send("invoices", "invoice", "{}")
	sync := func(id, name, more, fields string) {
		p.must(t, "POST", "/sync", fmt.Sprintf(`{"id":%q,"name":%q,"orgId":"mywell","type":"pull"%s,"datasource":{"type":"csv","fileUrl":"testdata/%s.csv","selectedDatatypes":[%[1]q]},"mapping":{%[1]q:%[5]s}}`, id, name, more, id, fields))
	}
	sync("readings", "Well readings", `,"frequency":"hourly"`, `{"key":["well","at"],"fields":{"at":{"from":"at"},"value":{"from":"value_m","type":"number","required":true}}}`)
	sync("contacts", "Contacts of the CRM", "", `{"key":["id"]}`)
	sync("rain", "Rain stations", `,"frequency":"daily"`, `{"key":["id"]}`)
	p.must(t, "POST", "/sync/readings/run?wait=true", "")
	p.must(t, "POST", "/sync/rain/run?wait=true", "")
	p.must(t, "POST", "/register-for-webhook", `{"url":"https://crm.example/hooks/gates","types":["dev.headgate.alert.v1"]}`)
	p.must(t, "POST", "/register-for-webhook", `{"url":"https://crm.example/hooks/changes"}`)

	d := p.console(t, "overview")
	d.do(chromedp.EmulateViewport(1280, 900))
	for _, text := range []string{"2 more events at orders and 1 more event at prices", "by key: 8 events wait", "1 more event at tax", "3 syncs, 1 to look at", "2 rows", "never ran", "list task-list-1"} {
		d.reads(text)
	}
	d.shoot("docs-overview")
	p.must(t, "POST", "/sync/contacts/run?wait=true", "")
	d.reads("1 thing needs attention")
	d.reads("there is no file testdata/contacts.csv")
	d.shoot("docs-alarm")
	d.goes("gates/nightly-close")
	d.until("all of it is there", `document.querySelectorAll('a[aria-label^="Message "]').length === 3 && document.querySelectorAll(".chart rect").length > 3`)
	d.reads("Missing: 2 more events at orders and 1 more event at prices.")
	d.shoot("docs-gate")
	d.goes("gates/shipments")
	d.reads("8 events in the windows of all keys.")
	d.reads("5 keys wait.")
	d.until("all of it is there", keysShown+`.length === 5 && document.querySelectorAll(".chart rect").length > 0`)
	d.shoot("docs-windows")
	send("shipments", "packed", `{"order":4713}`)
	send("shipments", "paid", `{"order":4720}`)
	d.reads("6 keys wait.")
}
