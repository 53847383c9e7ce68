package e2e_test

import (
	"fmt"
	"testing"
)

// The console shows who did what, a page at a time, and finds it.
func TestConsoleAudit(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	for i := range 60 {
		p.must(t, "POST", "/sync", fmt.Sprintf(`{"id":"sync-%02d","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"rows.csv","selectedDatatypes":["row"]}}`, i))
	}
	p.must(t, "POST", "/trigger", "")
	d := p.console(t, "audit")
	d.until("the newest is first", `document.querySelectorAll("tbody tr").length === 50 && document.querySelector("tbody tr").innerText.includes("trigger")`)
	d.press("Older")
	d.until("the oldest is last", `document.querySelectorAll("tbody tr").length === 11 && [...document.querySelectorAll("tbody tr")].at(-1).innerText.includes("sync-00")`)
	d.press("Newest")
	d.types(`input[name="object"]`, "/sync/sync-07")
	d.press("Find")
	d.until("one is found", `document.querySelectorAll("tbody tr").length === 1 && document.querySelector("tbody tr").innerText.includes("local")`)
	d.types(`input[name="object"]`, "")
	d.types(`input[name="who"]`, "nobody@example.com")
	d.press("Find")
	d.reads("There are none.")
}
