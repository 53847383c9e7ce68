package e2e_test

import (
	"errors"
	"strings"
	"testing"
)

// The console says what an operator should correct, and stops when it is corrected.
func TestConsoleSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	cfg := strings.NewReplacer(`3600`, `2`, `"targetPubSub"`, `"onMessage":{"sync":"readings"},"targetPubSub"`).Replace(service("gate", "my-project"))
	p := start(t, options{env: []string{"CONFIG=" + cfg}})
	d := p.console(t, "gates")
	const missing = `onMessage.sync names the sync "readings", which does not exist`
	d.reads(missing)
	p.must(t, "POST", "/sync", `{"id":"readings","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"readings.csv","selectedDatatypes":["reading"]},`+
		`"mapping":{"reading":{"key":["well"],"fields":{"value":{"from":"value"}}}}}`)
	d.until("the warning is gone", `!document.body.innerText.includes(`+quote(missing)+`)`)

	p.must(t, "POST", "/event/entry1", "nobody waits for it")
	eventually(t, "the event has left the window", func() error {
		p.must(t, "POST", "/event/entry1", "another") // the page looks again at each change
		if !strings.Contains(d.text(), "left the window without a message.") {
			return errors.New("it is still in the window")
		}
		return nil
	})
}

// A deployment without a gate has a console, too.
func TestConsoleWithoutAGate(t *testing.T) {
	t.Parallel()
	p := start(t, options{env: []string{`CONFIG={"sync":{}}`}})
	d := p.console(t, "gates")
	d.reads("The configuration of this deployment names no service")
	d = consoleAt(t, p.base+"/console")
	d.reads("The configuration names no gate.")
	d.reads("No sync is defined.")
}
