package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/meter"
)

// Consent answers OPTIONS at an address that takes deliveries by the methods in allowed. It
// changes nothing. A sender that asks whether it may deliver here, by the validation request
// of CloudEvents' HTTP webhooks, gets the consent for its origin and its rate. Who may send
// is decided at each delivery, so the consent is no permission.
//
// Only a middleware for pages of other origins answers preflight requests: this answer has
// no headers for them, so a browser takes it for a refusal.
func Consent(w http.ResponseWriter, r *http.Request, allowed []string) error {
	h := w.Header()
	if !slices.Contains(allowed, http.MethodOptions) {
		allowed = append(slices.Clone(allowed), http.MethodOptions)
	}
	h.Set("Allow", strings.Join(allowed, ", "))
	if origin := r.Header.Get("WebHook-Request-Origin"); origin != "" {
		h.Set("WebHook-Allowed-Origin", origin)
		rate := r.Header.Get("WebHook-Request-Rate")
		if rate == "" {
			rate = "*"
		}
		h.Set("WebHook-Allowed-Rate", rate)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// standard lists the methods of HTTP that have names in metrics and spans.
var standard = meter.Methods()

// methodOf returns the method of a request as metrics and spans name it.
func methodOf(r *http.Request) string {
	if slices.Contains(standard, r.Method) {
		return r.Method
	}
	return meter.OtherMethod
}

// AnyCase takes the standard methods in any letter case, as EventSync does. To HTTP, "post"
// is another method than POST, and every rule about POST would pass it by.
func AnyCase(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if upper := strings.ToUpper(r.Method); upper != r.Method && slices.Contains(standard, upper) {
			same := *r
			same.Method = upper
			r = &same
		}
		h.ServeHTTP(w, r)
	})
}
