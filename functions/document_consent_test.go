package functions

import (
	"net/http"
	"slices"
	"strings"
)

// consent describes an answer to OPTIONS at an address of sources, and what it is asked by.
var (
	consent = reply{
		status: 204, text: "The request is no event. If it asked by WebHook-Request-Origin, deliveries are welcome.",
		headers: []string{"Allow", "WebHook-Allowed-Origin", "WebHook-Allowed-Rate"},
	}
	consentParameters = []parameter{
		inHeader("WebHook-Request-Origin", "The sender that asks whether it may deliver here."),
		inHeader("WebHook-Request-Rate", "The deliveries per minute that it asks for."),
	}
)

// asked returns the route as OPTIONS sees it, and whether its document names OPTIONS beside
// its methods: at addresses of sources, where it is not described as an event.
func (rt route) asked() (route, bool) {
	if !strings.Contains(needs(rt.role), "`ingest`") || slices.Contains(rt.describedMethods(), http.MethodOptions) {
		return rt, false
	}
	rt.doc = op(rt.doc.id, rt.doc.tag, "Ask whether deliveries are welcome")
	rt.doc.answers, rt.doc.parameters = []reply{consent}, consentParameters
	rt.role = public // it is answered before credentials are asked for
	return rt, true
}
