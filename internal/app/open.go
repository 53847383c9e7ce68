package app

import "slices"

// open returns one warning for each thing that the configuration leaves open although its
// author may believe that it is protected.
func (a *App) open() (warnings []string) {
	cfg := a.o.Config
	if cfg.Auth != nil {
		return nil
	}
	callers, remedy := "everybody who reaches this process", `configure "auth"`
	if a.o.Platform.Proxied() {
		callers, remedy = "everybody whom the platform lets through", `configure "auth", unless IAM decides who may call`
	}
	if cfg.Live != nil && cfg.Live.Token != nil {
		warnings = append(warnings, `"live.token" protects only the WebSocket and GET /live: events, /trigger, /reset, /sync, /orgs, /messages, /status, /config, /notify `+
			`and all other paths answer `+callers+": "+remedy)
	}
	if cfg.CORS != nil && slices.Contains(cfg.CORS.AllowedOrigins, "*") {
		warnings = append(warnings, `"cors.allowedOrigins" has "*": any web page that a user opens may read and operate this deployment through the user's browser: list the origins, or `+remedy)
	}
	return warnings
}

// warn logs the warnings of open, and of what live cannot call.
func (a *App) warn() {
	for _, w := range append(a.open(), UncallableLive(a.o.Config, a.o.LiveHTTP)...) {
		a.o.Log.Warn(w)
	}
}
