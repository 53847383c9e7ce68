package cli

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/obs"
)

// Variables that name a deployment.
const (
	envURL   = "HEADGATE_URL"
	envToken = "HEADGATE_TOKEN"
)

// whereLong ends the help of the commands that work on a deployment.
const whereLong = `

It works on the deployment at --url, or on the store that the flags below "Where" name. If a
server has that store open, the command goes through the server.`

// where holds the flags that say which deployment a command works on.
type where struct {
	p          *Process
	cmd        *cobra.Command
	settings   launch.Settings
	url, token string
}

// whereOf declares the flags.
func whereOf(p *Process, cmd *cobra.Command) *where {
	w := &where{p: p, cmd: cmd, settings: p.settings}
	fs := cmd.Flags()
	fs.StringVar(&w.url, "url", "", "work on the deployment at this `URL` (else $"+envURL+")")
	fs.StringVar(&w.token, "token", "", "show this `TOKEN` to the deployment (better $"+envToken+": others can read a command line)")
	w.settings.StoreFlags(fs)
	completes(cmd, "store", launch.SQLite, launch.Firestore)
	completes(cmd, "bus", launch.Local, launch.PubSub)
	cmd.Long += whereLong
	return w
}

// Values that say whether a command may make the embedded store.
type making bool

const (
	makesStore making = true
	opensStore making = false
)

// open returns the deployment. say prints a notice for the person.
func (w *where) open(ctx context.Context, m making, say func(format string, args ...any)) (deployment.Deployment, error) {
	address, err := w.address()
	if err != nil {
		return nil, err
	}
	if w.token == "" {
		w.token = w.p.Getenv(envToken)
	}
	if address != "" {
		return deployment.At(address, w.token, w.p.version())
	}
	s := w.settings
	if err := s.Check(); err != nil {
		return nil, err
	}
	if who, address := s.Server(); address != "" {
		if deployment.Answers(ctx, address) {
			say("%s has the store in %s open: working through it, with its configuration", who, s.Data)
			return deployment.At(address, w.token, w.p.version())
		}
		say("%s has the store in %s open, but does not answer: working beside it", who, s.Data)
	}
	if m == opensStore && !s.StoreExists() {
		return deployment.None(s.Data, say), nil
	}
	a, closeApp, err := w.p.openApp(ctx, s)
	if err != nil {
		return nil, err
	}
	return deployment.Local(a.Definitions(), a.Syncs(), closeApp), nil
}

// address returns the given URL; "" means the store. A flag wins over the environment:
// --data selects the store even if HEADGATE_URL is set.
func (w *where) address() (string, error) {
	var local string
	for _, place := range places {
		if f := w.cmd.Flags().Lookup(place); place != "url" && f.Changed {
			local = "--" + place
		}
	}
	switch {
	case w.url != "" && local != "":
		return "", wrongUsage("--url and %s exclude each other: the deployment has a store and a configuration of its own", local)
	case w.url != "" || local != "":
		return w.url, nil
	}
	return w.p.Getenv(envURL), nil
}

// openApp opens the store without serving anything. It logs errors only.
func (p *Process) openApp(ctx context.Context, s launch.Settings) (*app.App, func(), error) {
	cfg, _, err := s.LoadConfig(p.Getenv)
	if err != nil {
		return nil, nil, err
	}
	launch.TuneGC(p.Getenv)
	s.FindProject(ctx, cfg)
	log := obs.NewLogger(p.Stderr, false, slog.LevelError)
	a, err := launch.Open(ctx, s, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	return a, func() {
		closing, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := a.Close(closing); err != nil {
			log.Error("the store was not closed in time", "error", err)
		}
	}, nil
}

// with calls do on the deployment, and closes that.
func (w *where) with(ctx context.Context, m making, say func(format string, args ...any), do func(deployment.Deployment) error) error {
	d, err := w.open(ctx, m, say)
	if err != nil {
		return err
	}
	defer d.Close()
	return do(d)
}
