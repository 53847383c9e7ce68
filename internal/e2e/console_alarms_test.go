package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is stuck, late, failed or refused is an alarm with a next step. What only waits is
// none.
func TestConsoleAlarms(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	d := p.console(t, "overview")
	d.reads("waits")
	const rows = `const now = Date.now(), ago = (ms) => new Date(now - ms).toISOString();
		const { gateRow, syncRow, webhookRow } = await import("/console/standing.js");
		const svc = { serviceName: "g", trigger: { type: "window" }, endpoints: [] };
		const status = { triggerType: "window", complete: false, missing: [], endpoints: [{ eventKey: "a", have: 5, need: 9 }], outbox: { backlog: 0 }, lastMessage: null };
		const gate = (more, of = {}, waits = null) => gateRow({ href: "", name: "g" }, { ...svc, ...of }, { status: { ...status, ...more }, waits });
		const sync = (more) => syncRow({ id: "s", sync: { type: "pull", frequency: "daily", datasource: { type: "csv" } }, ...more });
		const run = (state) => ({ lastRun: { state, startedAt: ago(9), counts: { rejected: 0, conflicts: 0 } } });
		const hook = (more) => webhookRow({ id: "w", url: "https://a", externalTaskListId: "l", next: 3, head: 2, state: "active", ...more });
		const backlog = (ms) => ({ outbox: { backlog: 2, oldest: ago(ms) } });`
	for of, want := range map[string]string{
		`gate({})`:                             "2 waits",
		`gate({ complete: true })`:             "2 complete",
		`gate({ triggerType: "none" })`:        "2 by hand",
		`gate({}, { correlation: {} })`:        "2 open",
		`gate({ warnings: ["correct this"] })`: "1 to correct",
		`gate(backlog(5000), {}, { lastError: "the bus does not answer" })`:                            "1 retries",
		`gate(backlog(5000), {}, { lastError: "crm: crm.example answers 500 Internal Server Error" })`: "1 retries",
		`gate(backlog(61000), {}, { lastError: "crm: crm.example does not answer in time" })`:          "0 stuck",
		`gate(backlog(5000))`:  "2 waits",
		`gate(backlog(61000))`: "0 stuck",
		`gate(backlog(5000), {}, { lastError: "publish to projects/p/topics/t: bus: no such topic" })`: "0 stuck",
		`gate({}, { maxPending: 4 })`:                               "0 refuses events",
		`gate({ alerts: [{ kind: "overdue", at: ago(3600000) }] })`: "0 late",
		`gate({ alerts: [{ kind: "overdue", at: ago(3600000) }], lastMessage: { state: "published", date: ago(60000) } })`: "2 waits",
		`gate({ lastMessage: { state: "failed", date: ago(1), targets: [{ state: "failed", lastError: "410" }] } })`:       "0 given up",
		`sync({})`:                    "2 never ran",
		`sync({ next: ago(-1000) })`:  "2 never ran",
		`sync({ next: ago(400000) })`: "0 late",
		`sync(run("failed"))`:         "0 failed",
		`sync(run("partial"))`:        "1 partial",
		`sync(run("running"))`:        "2 running",
		`hook({})`:                    "2 active",
		`hook({ failures: 1 })`:       "1 fails",
		`hook({ state: "paused" })`:   "0 paused",
	} {
		got := js[string](t, d.page, `(async () => { `+rows+` const r = `+of+`, s = r.state(now); const part = document.createElement("div");
			part.append(...r.cells(s, now).flat(9).filter(Boolean));
			const step = s.rank === 0 || s.words === "retries";
			if (s.rank === 0) part.append(...[r.alarm(now), r.step(now)].flat(9).filter(Boolean));
			return s.rank + " " + s.words + (step && !/Next step: ./.test(part.textContent) ? " without a next step" : ""); })()`)
		require.Equal(t, want, got, of)
	}
	step := js[string](t, d.page, `(async () => { `+rows+` const r = sync({ lastRun: { ...run("failed").lastRun, error: "db.example answers 500" } }); return [r.step(now)].flat(9)[0].textContent; })()`)
	require.Contains(t, step, "open the sync", "a source is no target")
}

// A message that its target does not take is said at once, on the gate's own page as in the
// overview, with the next step.
func TestConsoleSaysThatATargetRefuses(t *testing.T) {
	t.Parallel()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(refuses.Close)
	p := start(t, options{env: []string{"CONFIG=" + strings.Replace(service("gate", "my-project"), `"targetPubSub"`, `"targets":[{"name":"crm","http":{"url":"`+refuses.URL+`"}}],"targetPubSub"`, 1)}})
	p.event(t, "entry1", "one")
	p.event(t, "entry2", "two")
	for _, page := range []string{"gates", "overview"} {
		d := p.console(t, page)
		d.reads("retries")
		d.reads("answers 500 Internal Server Error")
		d.reads("Next step: see the log of the target")
	}
}
