package e2e_test

import (
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// stopped keeps the timers of a page that wait for a second or longer: they run only when
// elapse is called, each at most once, if they wait for no longer than its argument says.
// requests counts what the page asks for, except whether the server is ready, which it asks for
// now and then: in all, and what is not answered yet.
const stopped = `(() => {
	const { setTimeout: after, clearTimeout: cancel, setInterval: every, clearInterval: end } = window;
	const kept = new Map();
	let last = 1e9;
	const keep = (f, ms, once) => { kept.set(++last, { f, ms, once }); return last; };
	window.setTimeout = (f, ms, ...more) => ms >= 1000 ? keep(f, ms, true) : after(f, ms, ...more);
	window.setInterval = (f, ms, ...more) => ms >= 1000 ? keep(f, ms, false) : every(f, ms, ...more);
	window.clearTimeout = (id) => { if (!kept.delete(id)) cancel(id); };
	window.clearInterval = (id) => { if (!kept.delete(id)) end(id); };
	window.elapse = (ms) => { for (const [id, t] of [...kept]) if (t.ms <= ms) { if (t.once) kept.delete(id); t.f(); } };
	const ask = window.fetch;
	window.requests = { all: 0, open: 0 };
	window.fetch = (path, ...more) => {
		if (path === "readyz") return ask(path, ...more);
		requests.all++;
		requests.open++;
		return ask(path, ...more).finally(() => { requests.open--; });
	};
})()`

// stopsClock loads the page again, and from then on its time stands still but for elapse.
func (d *desk) stopsClock() {
	d.t.Helper()
	_, err := chromedp.Call(d.page, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: stopped})
	require.NoError(d.t, err)
	_, err = chromedp.Run(d.page, chromedp.Reload())
	require.NoError(d.t, err)
}
