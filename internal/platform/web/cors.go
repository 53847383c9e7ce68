package web

import (
	"net/http"

	"github.com/rs/cors"

	"github.com/headgate/headgate/internal/platform/origin"
)

// crossOrigin returns a middleware that lets pages of the listed origins read answers.
// It answers preflight requests and passes on any other OPTIONS request, which may be an
// event. It does not allow the credentials that a browser adds by itself.
func crossOrigin(listed []string) func(http.Handler) http.Handler {
	if len(listed) == 0 { // rs/cors takes an empty list for "every origin"
		return func(h http.Handler) http.Handler { return h }
	}
	o := cors.Options{
		AllowedMethods: []string{
			http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch,
			http.MethodDelete, http.MethodHead, http.MethodOptions,
		},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{headerRequestID, "Retry-After", "Location", "ETag"},
		MaxAge:         600,
	}
	allowed := make(map[string]bool)
	for _, l := range listed {
		if l == "*" {
			o.AllowedOrigins = []string{"*"}
			return cors.New(o).Handler
		}
		if normal, ok := origin.Normal(l); ok {
			allowed[normal] = true
		}
	}
	o.AllowOriginFunc = func(from string) bool {
		normal, ok := origin.Normal(from)
		return ok && allowed[normal]
	}
	return cors.New(o).Handler
}
