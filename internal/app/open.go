package app

import "slices"

// open returns a sentence for everything that the configuration leaves open although its
// author may believe that it is closed.
func (a *App) open() (warnings []string) {
	cfg := a.o.Config
	if cfg.Auth != nil {
		return nil
	}
	reaches, unless := "everybody who reaches this process", `configure "auth"`
	if a.o.Platform.Cloud() {
		reaches, unless = "everybody whom the platform lets through", `configure "auth", unless IAM decides who calls`
	}
	if cfg.Live != nil && cfg.Live.Token != nil {
		warnings = append(warnings, `"live.token" protects only the WebSocket and GET /live: events, /trigger, /reset, /sync, /orgs, /messages, /status, /config, /notify `+
			`and all other paths that are served answer `+reaches+": "+unless)
	}
	if cfg.CORS != nil && slices.Contains(cfg.CORS.AllowedOrigins, "*") {
		warnings = append(warnings, `"cors.allowedOrigins" has "*": any web page may read and operate what its reader's browser reaches: list origins, or `+unless)
	}
	return warnings
}

// warn logs a line for everything that is open.
func (a *App) warn() {
	for _, w := range a.open() {
		a.o.Log.Warn(w)
	}
}
