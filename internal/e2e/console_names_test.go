package e2e_test

import "testing"

// A row and a field may have any name, also one that every object of JavaScript inherits.
func TestConsoleNamesOfJavaScript(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	d := p.console(t, "drafts")
	d.until("the list is there", `document.querySelector("#field-12-name")`)
	for _, name := range []string{"constructor", "__proto__", "toString"} {
		d.types(`input[aria-label="Id of the new row"]`, name)
		d.press("Add a row")
		d.until("the row "+name+" is there", `document.querySelector("#field-`+name+`-name")`)
		d.press("Remove row " + name)
		d.until(name+" is gone again", `!document.querySelector("#field-`+name+`-name")`)
	}
	d.reads("The draft matches the source.")

	// A field that the draft lacks has no value, whatever it is called.
	p.must(t, "POST", "/example/set-tasks", `{"taskList":{"12":{"name":"Alpha","priority":7},"34":{"name":"Beta","priority":2,"constructor":"x","__proto__":"y"}}}`)
	d.until("the fields are there", `document.querySelector('[data-key="12"] [data-key="constructor"]') && document.querySelector('[data-key="12"] [data-key="__proto__"]')`)
	for _, name := range []string{"constructor", "__proto__"} {
		d.until(name+" of row 12 is empty", `[...document.querySelectorAll('[data-key="12"] [data-key="`+name+`"]')].every((c) => (c.querySelector("input")?.value ?? "") === "" && !/native code|object/.test(c.textContent))`)
	}
}
