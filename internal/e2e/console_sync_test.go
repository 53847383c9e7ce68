package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readings returns a data directory that contains the sample file.
func readings(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "testdata"), 0o755))
	sample, err := os.ReadFile(filepath.Join("..", "..", "testdata", "readings.csv"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "testdata", "readings.csv"), sample, 0o644))
	return dir
}

// A user defines a sync, sees the errors of the definition, validates it, runs it, and
// sees its records and rejects.
func TestConsoleSync(t *testing.T) {
	t.Parallel()
	data := readings(t)
	file := filepath.Join(data, "testdata", "readings.csv")
	sample, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(sample, "9999999,2026-02-02,deep,\n"...), 0o644))
	p := start(t, options{data: data})
	d := p.console(t, "syncs")
	d.reads("No syncs yet.")
	d.press("New sync")
	d.reads("The definition is valid.")

	d.types("#def-orgId", "")
	d.until("the field says what is wrong", `document.querySelector("#def-orgId-error").textContent === "is required"`)
	d.until("and is marked", `document.querySelector("#def-orgId").getAttribute("aria-invalid") === "true"`)
	d.types("#def-frequency", "sometimes")
	d.reads("2 errors:")
	d.types("#def-frequency", "")
	d.types("#definition", `{"id": "x",`)
	d.reads("not JSON: line 1")
	d.types("#definition", `{"id":"x","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["a"]},"nonsense":1}`)
	d.reads("nonsense: unknown field")
	d.shoot("sync-faults")
	d.press("Cancel")

	d.press("New sync")
	d.reads("The definition is valid.")
	d.press("Create sync")
	d.reads("Sync created.")
	d.reads("No runs yet")
	d.press("Validate")
	d.reads("What a run would do")
	d.until("the validation ended", `document.querySelector("#run-state").textContent !== "running" && document.querySelector("#run-state").textContent !== "pending"`)
	d.reads("create pull")
	d.reads("No records yet.")
	d.shoot("sync-validated")
	d.press("Run")
	d.until("the run ended", `document.querySelector("#run-state").textContent === "partial"`)
	d.reads("1111000.2026-01-05")
	d.reads("6.92")
	d.until("the reject is shown", `[...document.querySelectorAll('[aria-label="Rejects"] td')].some((c) => c.textContent.includes("deep"))`)
	d.shoot("sync-run")

	// After a correction of the file, the rejected row is accepted.
	require.NoError(t, os.WriteFile(file, append(sample, "9999999,2026-02-02,12.5,\n"...), 0o644))
	d.press("Run")
	d.until("it is taken", `document.querySelector("#run-state").textContent === "partial" && !document.querySelector('[aria-label="Rejects"]').textContent.includes("deep")`)
	d.until("its counts are in the list", `[...document.querySelector('[aria-label="Latest runs"] tbody tr').cells].slice(4, 7).map((c) => c.textContent).join() === "1,0,2"`)

	// A validation shows the differences, field by field.
	require.NoError(t, os.WriteFile(file, append(sample, "9999999,2026-02-02,13.5,\n"...), 0o644))
	d.press("Validate")
	d.until("the difference is shown", `[...document.querySelectorAll("tr")].some((r) => /update/.test(r.textContent) && r.textContent.includes("12.5") && r.textContent.includes("13.5"))`)
}

// A run shows its progress, and can be cancelled.
func TestConsoleSyncProgress(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var rows strings.Builder
	rows.WriteString("id,name\n")
	for i := range 400_000 {
		fmt.Fprintf(&rows, "%d,name %d\n", i, i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(data, "many.csv"), []byte(rows.String()), 0o644))
	p := start(t, options{data: data})
	p.must(t, "POST", "/sync", `{"id":"many","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"many.csv","selectedDatatypes":["row"]}}`)
	d := p.console(t, "syncs/many")
	d.reads("No runs yet")
	d.eval(`window.seen = new Set(); new MutationObserver(() => {
		const bar = document.querySelector('[role="progressbar"]'); if (bar) window.seen.add(bar.getAttribute("aria-valuenow")); }).observe(document.body, {subtree: true, childList: true, attributes: true})`)
	d.press("Run")
	d.until("progress is seen", `window.seen.size >= 3`)
	d.press("Cancel run")
	d.until("it is cancelled", `document.querySelector("#run-state").textContent === "cancelled"`)
}

// A conflict is decided in the console.
func TestConsoleConflict(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	write := func(name string) {
		require.NoError(t, os.WriteFile(filepath.Join(data, "a.csv"), []byte("id,name\n1,"+name+"\n"), 0o644))
	}
	write("first")
	p := start(t, options{data: data})
	p.must(t, "POST", "/sync", `{"id":"c","orgId":"o","type":"both","conflict":"manual","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["row"]}}`)
	p.must(t, "POST", "/sync/c/run?method=pull&wait=true", "")
	p.must(t, "PATCH", "/orgs/o/row/1", `{"name":"ours"}`)
	write("theirs")
	d := p.console(t, "syncs/c")
	p.must(t, "POST", "/sync/c/run?method=pull&wait=true", "")
	d.press("Keep ours for name")
	d.until("it is decided", `document.querySelector('[aria-label="Conflicts"]').textContent.includes("None.")`)
	require.Contains(t, p.must(t, "GET", "/orgs/o/row/1", ""), "ours")
}

// A sync that the configuration declares no longer is marked in the overview, beside its gate's
// warning, until somebody makes it theirs.
func TestConsoleNamesADroppedSync(t *testing.T) {
	t.Parallel()
	const (
		gate   = `{"serviceName":"g","trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"}],"targetPubSub":{"topic":"projects/p-1/topics/sync"}`
		sync   = `{"id":"c","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["row"]}}`
		marked = `document.querySelector('main [data-key="c"]')?.innerText.includes("declares it no longer")`
	)
	p := start(t, options{data: t.TempDir(), env: []string{"CONFIG=" + gate + `,"syncs":[` + sync + `]}`}})
	require.Eventually(t, func() bool { return strings.Contains(p.must(t, "GET", "/sync", ""), `"owner":"config"`) }, time.Minute, 10*time.Millisecond)
	p.kill9()
	p.o.env = []string{"CONFIG=" + gate + "}"}
	p = p.restart(t).listens(t)
	p.ready(t)
	d := p.console(t, "overview")
	d.until("the sync is marked", marked)
	d.reads(`the configuration declared the sync "c"`)
	p.must(t, "PUT", "/sync/c", sync)
	d.until("it belongs to requests", `!`+marked)
}
