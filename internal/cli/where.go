package cli

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
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

// access says what a command may do to the embedded store.
type access int

const (
	reads   access = iota // changes nothing
	changes               // changes a store, and makes none
	makes                 // makes a store where there is none
)

// notice prints a line for the person.
type notice func(format string, args ...any)

// named returns a client of the deployment at the address that was given; nil if none was.
func (w *where) named() (*deployment.Client, error) {
	address, err := w.address()
	if err != nil || address == "" {
		return nil, err
	}
	c, err := w.client(address)
	if err != nil && w.url != "" {
		err = usageError{err}
	}
	return c, err
}

// client returns a client of the server at the address, with the token that was given.
func (w *where) client(address string) (*deployment.Client, error) {
	return deployment.NewClient(address, cmp.Or(w.token, w.p.Getenv(envToken)), w.p.shownVersion())
}

// server returns a client of the deployment at the address that was given, or else of the
// process that has the store open and serves the function. It returns nil if there is
// neither: then the command may open the store itself.
func (w *where) server(ctx context.Context, function string, say notice) (*deployment.Client, error) {
	c, err := w.named()
	if c != nil || err != nil {
		return c, err
	}
	who, address := w.settings.Server(function)
	if address == "" {
		return nil, nil
	}
	if c, err = w.client(address); err != nil {
		return nil, err
	}
	if !c.Answers(ctx) {
		say("%s has the store in %s open, but does not answer: using the store beside it", who, w.settings.Data)
		return nil, nil
	}
	say("%s has the store in %s open: using that process, with its configuration", who, w.settings.Data)
	return c, nil
}

// open returns the deployment, as the commands for syncs need it.
func (w *where) open(ctx context.Context, may access, say notice) (deployment.Deployment, error) {
	c, err := w.server(ctx, functions.SyncRun, say)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return deployment.At(c), nil
	}
	s := w.settings
	if may != makes && !s.StoreExists() {
		return deployment.None(s.Data, say), nil
	}
	s.Reads = may == reads
	a, closeApp, err := w.p.openApp(ctx, s)
	if err != nil {
		return nil, err
	}
	if may != reads {
		a.Declare(ctx) // as a server does at its start
	}
	return deployment.Local(a.Definitions(), a.Syncs(), a.Audit(), closeApp), nil
}

// address returns the given URL; "" means the store. A flag wins over the environment:
// --data selects the store even if HEADGATE_URL is set.
func (w *where) address() (string, error) {
	if err := checkFlags(w.cmd, w.settings); err != nil {
		return "", err
	}
	var local string
	for _, place := range places {
		if f := w.cmd.Flags().Lookup(place); place != "url" && f != nil && f.Changed && isPlace(f) {
			local = "--" + place
		}
	}
	switch {
	case w.url != "" && local != "":
		return "", wrongUsage("--url and %s exclude each other: the deployment has a store and a configuration of its own", local)
	case w.url != "":
		return w.url, nil
	}
	if address := w.p.Getenv(envURL); address != "" && local == "" {
		return address, nil
	}
	if w.token != "" && w.settings.Store != launch.SQLite { // no server has that store to itself
		return "", wrongUsage("--token is for a deployment at --url: with --store %s the command works on the store itself", w.settings.Store)
	}
	return "", nil
}

// openApp opens the store without serving anything. It logs errors only.
func (p *Process) openApp(ctx context.Context, s launch.Settings) (*app.App, func(), error) {
	cfg, _, err := s.LoadConfig(p.Getenv)
	if err != nil {
		return nil, nil, err
	}
	launch.TuneGC(p.Getenv)
	s.FindProject(ctx, cfg)
	log := obs.NewLogger(p.Stderr, obs.Options{Format: obs.Console, Level: slog.LevelError})
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
func (w *where) with(ctx context.Context, may access, say notice, do func(deployment.Deployment) error) error {
	d, err := w.open(ctx, may, say)
	if err != nil {
		return err
	}
	defer d.Close()
	return do(d)
}
