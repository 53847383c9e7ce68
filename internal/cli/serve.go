package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/obs"
)

const (
	// drainTimeout and closeTimeout divide the ten seconds between the SIGTERM of Cloud Run
	// and its SIGKILL: requests get most of them, and their work in the background the rest.
	drainTimeout = 5 * time.Second
	closeTimeout = 1500 * time.Millisecond
)

const serveLong = `Serve the functions over HTTP until the process is asked to end. Without a configuration
it serves an example.

Everything runs in one process and is kept in one file, unless --store and --bus say
otherwise. With --function one function is served alone, as on Cloud Run.`

func newServe(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the functions over HTTP (the default)", GroupID: groupServe, Long: serveLong,
		Example: `  $ headgate serve
  $ headgate serve --config gate.json --data /var/lib/headgate
  $ headgate serve --function ingest --store firestore --bus pubsub`,
		Args: noOperands,
	}
	serves(p, cmd)
	return cmd
}

// serves makes cmd serve: the command serve, and the command that stands alone.
func serves(p *Process, cmd *cobra.Command) {
	s := p.settings
	s.Serves = true
	s.Flags(cmd.Flags(), functions.Names())
	verbose := cmd.Flags().BoolP("verbose", "v", false, "log every request")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkFlags(cmd, s); err != nil {
			return err
		}
		if names := functions.Names(); s.Function != "" && !slices.Contains(names, s.Function) {
			return wrongUsage("--function %q: must be one of %s", s.Function, strings.Join(names, ", "))
		}
		return p.serve(cmd.Context(), s, *verbose)
	}
	completes(cmd, "function", functions.Names()...)
	completes(cmd, "store", launch.SQLite, launch.Firestore)
	completes(cmd, "bus", launch.Local, launch.PubSub)
}

// serve opens, listens, says where, and drains when ctx ends.
func (p *Process) serve(ctx context.Context, s launch.Settings, verbose bool) (err error) {
	cfg, example, err := s.LoadConfig(p.Getenv)
	if err != nil {
		return err
	}
	log, err := p.logger(s, verbose)
	if err != nil {
		return err
	}
	launch.TuneGC(p.Getenv)
	s.FindProject(ctx, cfg)

	// Listen before opening the store: if the address is in use, the data may belong to the
	// other process and must not be touched.
	listener, err := listen(ctx, s.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	if !s.Platform.Proxied() {
		s.Base = baseOf(listener.Addr())
	}
	withTasks := example && s.Function == "" && onThisMachine(listener.Addr())
	if withTasks {
		cfg.Drafts = append(cfg.Drafts, exampleDraft(s.Base))
	}
	a, err := launch.Open(ctx, s, cfg, log)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if closeErr := a.Close(closing); closeErr != nil {
			log.Warn("shutdown timed out: a later sweep completes the work", "error", closeErr)
		}
	}()
	handler, err := functions.Handler(a, slices.DeleteFunc([]string{s.Function}, func(name string) bool { return name == "" })...)
	if err != nil {
		return err
	}
	if withTasks {
		handler = withExample(handler, functions.Beside(a, newExample()))
	}
	server := newServer(handler, log)
	server.RegisterOnShutdown(a.Drain) // Shutdown would wait for streams for ever
	p.announce(log, s, cfg, listener.Addr())
	if !s.Platform.Proxied() {
		printBanner(p.Stdout, banner{base: baseOf(listener.Addr()), cfg: cfg, function: s.Function, example: example, tasks: withTasks})
	}
	a.Start()

	if withTasks {
		go registerWithExample(ctx, s.Base, log)
	}
	return serveAndDrain(ctx, server, listener, log)
}

// logger returns the log of a server.
func (p *Process) logger(s launch.Settings, verbose bool) (*slog.Logger, error) {
	logging, err := obs.FromEnv(p.Getenv, isTerminal(p.Stderr), s.Platform.StructuredLogs())
	if err != nil {
		return nil, err
	}
	if verbose {
		logging.Level = slog.LevelDebug
	}
	return obs.NewLogger(p.Stderr, logging), nil
}

// serveAndDrain serves until ctx ends, and then waits until the requests under way have their
// answers, for a bounded time.
func serveAndDrain(ctx context.Context, server *http.Server, listener net.Listener, log *slog.Logger) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("draining")
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		log.Warn("shutdown timed out: requests were cut off", "error", err)
		_ = server.Close()
	}
	return nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use: choose another address with --addr", addr)
	}
	return listener, err
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, WriteTimeout: 5 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 256 << 10,
	}
}
