package web

import (
	"net/http"

	"github.com/rs/cors"

	"github.com/headgate/headgate/config"
)

// CORS lets pages of the configured origins call h. Preflight requests are
// answered here; any other OPTIONS request goes to h, where it may be an event.
// Credentials that a browser adds by itself are not allowed.
func CORS(cfg *config.CORS, h http.Handler) http.Handler {
	if cfg == nil || len(cfg.AllowedOrigins) == 0 { // to rs/cors, an empty list means everybody
		return h
	}
	return cors.New(cors.Options{
		AllowedOrigins: cfg.AllowedOrigins,
		AllowedMethods: []string{
			http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch,
			http.MethodDelete, http.MethodHead, http.MethodOptions,
		},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{headerRequestID, "Retry-After", "Location", "ETag"},
		MaxAge:         600,
	}).Handler(h)
}
