package e2e_test

import (
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// cellOf returns the text of a cell in a row of the table with this name.
func (d *desk) cellOf(table, row string, column int) string {
	d.t.Helper()
	d.until("there is a row "+row, rowOf(table, row))
	return js[string](d.t, d.page, `((r) => r.cells[`+string(rune('0'+column))+`].innerText.trim())(`+rowOf(table, row)+`)`)
}

const title = `document.querySelector("h2.top, main h2").textContent`

// The first view has a row for each gate, sync and webhook. Each leads to an address of its
// own, and the browser's history goes from one to the other.
func TestConsoleOverview(t *testing.T) {
	t.Parallel()
	p := busy(t)
	d := consoleAt(t, p.base+"/console")
	require.Equal(t, "waits", d.cellOf("Gates", "Nightly close", 1))
	require.Equal(t, "2\u00a0more events at orders and 1\u00a0more event at prices", d.cellOf("Gates", "Nightly close", 4))
	require.Equal(t, "partial", d.cellOf("Syncs", "Well readings", 1))
	require.Equal(t, "on demand", d.cellOf("Syncs", "Well readings", 3))
	require.Equal(t, "2 rows", d.cellOf("Syncs", "Well readings", 4))
	require.Equal(t, "active", d.cellOf("Webhooks", "list=204", 1))
	require.Equal(t, "fails", d.cellOf("Webhooks", "list=503", 1))
	d.until("what fails is first", `document.querySelector('[aria-label="Webhooks"] tbody tr').innerText.includes("list=503")`)
	require.False(t, js[bool](t, d.page, `!!document.querySelector(".alarm")`), "alarm colours are for alarms")
	p.must(t, "POST", "/event/prices", "1")
	d.until("a change is shown", rowOf("Gates", "Nightly close")+`?.cells[4].innerText === "2\u00a0more events at orders"`)

	d.press("Well readings")
	d.until("the sync has its address", `location.hash === "#/syncs/readings" && document.title.startsWith("readings · Syncs")`)
	d.reads("2 rejected rows")
	d.eval("history.back()")
	d.until("the overview is there again", title+` === "Overview"`)
	d.eval("history.forward()")
	d.reads("2 rejected rows")
	_, err := chromedp.Run(d.page, chromedp.Reload())
	require.NoError(t, err)
	d.reads("2 rejected rows")
	d.goes("nonsense")
	d.reads("The console has no view nonsense.")
	d.goes("syncs/nonsense")
	d.reads("No sync has the id nonsense.")
	d.goes("gates/nonsense")
	d.reads("The configuration names no service nonsense.")
	d.goes("webhooks/nonsense")
	d.reads("This webhook is not registered any more.")
	d.forgiven = append(d.forgiven, "404")
	keysGo(d)
}

// keysGo uses the keyboard alone.
func keysGo(d *desk) {
	d.eval(`document.activeElement.blur()`)
	d.keys("go")
	d.until("g and o lead to the overview", title+` === "Overview"`)
	d.reads("Well readings")
	d.keys("/")
	d.until("/ leads to the search", `document.activeElement.matches('main input[type="search"]')`)
	d.types(`main input[type="search"]`, "504")
	d.reads("None has “504” in its name.")
	d.types(`main input[type="search"]`, "503")
	d.until("the search finds one of two", `document.querySelectorAll('[aria-label="Webhooks"] tbody tr').length === 1`)
	d.eval(`document.activeElement.blur()`)
	d.keys("?")
	d.reads("g then w")
	d.keys(kb.Escape)
	d.until("the list of keys is gone", `!document.querySelector("dialog[open]")`)
	for key, want := range map[string]string{"g": "Nightly close", "s": "Syncs", "d": "Drafts", "l": "Live", "w": "Webhooks", "c": "Configuration"} {
		d.keys("g" + key)
		d.until("g and "+key+" lead to "+want, title+` === `+quote(want))
	}
}

// A view whose source does not answer says so: nothing is in step, complete or empty while
// nobody knows. When the source answers again, the view is up to date by itself.
func TestConsoleTellsTheTruth(t *testing.T) {
	t.Parallel()
	p := start(t, options{data: readings(t)})
	p.must(t, "POST", "/sync", `{"id":"readings","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"testdata/readings.csv","selectedDatatypes":["reading"]}}`)
	d := p.console(t, "overview")
	d.reads("pull csv")
	d.until("it is live", `document.querySelector("#connection").textContent === "live"`)
	const away = `window.answers = window.fetch; window.fetch = async (...a) => /config/.test(a[0]) ? answers(...a) : new Response('{"detail":"the store did not answer; send the request again"}', { status: 503 })`
	const onFirestore = `document.querySelector('meta[name="firestore"]').content = `
	d.eval(onFirestore + `"cloud"`)
	d.eval(away)
	p.must(t, "POST", "/event/entry1", "x")
	d.reads("3 things need attention")
	d.until("the gate is unknown", rowOf("Gates", "My First Event Sync")+`?.cells[1].innerText === "unknown"`)
	d.until("since when, and why", `/^My First Event Sync: unknown since .*, because the store did not answer/.test(document.querySelector('main .alarm [data-key="My First Event Sync"]')?.innerText)`)
	d.until("the sync is unknown", rowOf("Syncs", "readings")+`?.cells[1].innerText === "unknown"`)
	d.reads("gcloud firestore databases list")
	d.shoot("overview-store-away")
	d.eval(`dispatchEvent(new Event("online"))`)
	d.reads("Not ready since")
	d.eval(`window.fetch = answers`)
	d.until("it is up to date by itself", `!document.querySelector("main .alarm") && `+rowOf("Gates", "My First Event Sync")+`?.cells[1].innerText === "waits"`)
	d.eval(`dispatchEvent(new Event("online"))`)
	d.until("and ready", `!document.querySelector("#health").innerText`)

	d.goes("drafts")
	d.reads("The draft matches the source.")
	d.eval(away)
	d.press("Refresh from the source")
	d.reads("Whether the draft matches the source is unknown since ")
	require.NotContains(t, d.text(), "The draft matches the source.")
	d.eval(`window.fetch = answers`)
	d.press("Refresh from the source")
	d.reads("The draft matches the source.")

	d.goes("syncs/readings")
	p.must(t, "PUT", "/sync/readings", `{"id":"readings","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"nothing.csv","selectedDatatypes":["reading"]}}`)
	d.press("Validate")
	d.reads("Unknown: the validation is failed, so it did not see all of both sides.")
	require.NotContains(t, d.text(), "in step")
	for text, command := range map[string]string{
		"pubsubbus: publish to projects/p-1/topics/t.1: bus: no such topic (rpc error)":            "gcloud pubsub topics create t.1 --project p-1",
		"publish to projects/p/topics/t: rpc error: code = PermissionDenied desc = not authorized": "gcloud pubsub topics add-iam-policy-binding t --project p",
		"the bus does not answer":   `gcloud pubsub topics list --project "${PROJECT:?`,
		"the store takes no writes": `gcloud firestore databases list --project "${PROJECT:?`,
		"something else":            "",
	} {
		require.Contains(t, js[string](t, d.page, `import("/console/remedy.js").then((m) => m.remedy(`+quote(text)+`)?.command ?? "")`), command)
	}
	d.eval(`document.querySelector('meta[name="pubsub-emulator"]').content = "127.0.0.1:8085"`)
	require.Equal(t, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB=http://127.0.0.1:8085/ gcloud pubsub topics create t --project p",
		js[string](t, d.page, `import("/console/remedy.js").then((m) => m.remedy("publish to projects/p/topics/t: bus: no such topic").command)`), "the command reaches the emulator that the server uses")
	for firestore, command := range map[string]string{"127.0.0.1:8080": "curl http://127.0.0.1:8080/", "": "none: it is a file"} {
		d.eval(onFirestore + quote(firestore))
		require.Equal(t, command, js[string](t, d.page, `import("/console/remedy.js").then((m) => m.remedy("the store takes no writes").command ?? "none: it is a file")`))
	}
	d.goes("overview")
	d.until("a validation that failed is an alarm", `document.querySelector('main .alarm [data-key="readings"]')`)
}

// With its topic deleted, the console says so within ten seconds, and what to type.
func TestConsoleTopicDeleted(t *testing.T) {
	t.Parallel()
	slow(t)
	env, pubsubHost, project := emulated(t)
	p := start(t, options{env: env})
	d := p.console(t, "overview", "503")
	d.reads("waits")
	admin := dialPubSub(t, pubsubHost, project)
	require.NoError(t, admin.TopicAdminClient.DeleteTopic(t.Context(), &pubsubpb.DeleteTopicRequest{Topic: topicOf(project)}))
	begin := time.Now()
	d.reads("the topic " + topicOf(project) + " does not exist")
	t.Logf("it said so after %v", time.Since(begin))
	const command = "gcloud pubsub topics create sync --project "
	d.reads(command + project)

	p.event(t, "entry1", "one")
	p.event(t, "entry2", "two")
	d.until("the message is stuck", `/1 message could not be published/.test(document.querySelector("main .alarm")?.innerText)`)
	d.until("with the next step", `document.querySelector("main .alarm").innerText.includes(`+quote(command+project)+`)`)
	d.shoot("overview-topic-deleted")
	d.goes("gates")
	d.until("its page says it, too", `document.querySelector("main .alarm")?.innerText.includes(`+quote(command+project)+`)`)

	_, err := admin.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topicOf(project)})
	require.NoError(t, err)
	p.settle(t)
	d.until("nothing is wrong any more", `!document.querySelector(".alarm")`)
}
