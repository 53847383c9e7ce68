// Package cloudfunctions registers Headgate's functions with the Functions
// Framework, so that they deploy as native Cloud Functions: FUNCTION_TARGET
// names the one to serve.
//
// The framework knows no start-up and no shutdown: the drivers open with the
// first request, and a deployment's scheduler sweeps what an ended instance left.
package cloudfunctions

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"sync"

	framework "github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/obs"
)

// All is the name under which every function is served together.
const All = "headgate"

// The framework finds functions by what was registered when main starts.
func init() {
	open := sync.OnceValues(openApp)
	for _, name := range functions.Names() {
		framework.HTTP(name, serve(open, name))
	}
	framework.HTTP(All, serve(open, functions.Names()...))
}

func openApp() (*app.App, error) {
	launch.TuneGC(os.Getenv)
	s := settings(os.Getenv)
	logging, err := obs.FromEnv(os.Getenv, false, s.Platform.StructuredLogs())
	if err != nil {
		return nil, err
	}
	cfg, _, err := s.LoadConfig(os.Getenv)
	if err != nil {
		return nil, err
	}
	a, err := launch.Open(context.Background(), s, cfg, obs.NewLogger(os.Stderr, logging))
	if err != nil {
		return nil, err
	}
	a.Start()
	return a, nil
}

// settings returns those of the function that FUNCTION_TARGET names. Without its name, the
// process would take itself for one that serves every function: /readyz would then wait
// for live's signals, and warnings would speak of live clients that it cannot have.
func settings(getenv func(string) string) launch.Settings {
	s := launch.FromEnv(getenv)
	s.Serves = true
	if target := getenv("FUNCTION_TARGET"); target != All {
		s.Function = target
	}
	return s
}

func serve(open func() (*app.App, error), names ...string) http.HandlerFunc {
	handler := sync.OnceValues(func() (http.Handler, error) {
		a, err := open()
		if err != nil {
			return nil, err
		}
		return functions.Handler(a, names...)
	})
	return func(w http.ResponseWriter, r *http.Request) {
		h, err := handler()
		if err != nil {
			slog.Error("headgate cannot start", "error", err)
			http.Error(w, "the function is not configured: see its log", http.StatusInternalServerError)
			return
		}
		h.ServeHTTP(w, r)
	}
}
