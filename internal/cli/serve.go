package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/obs"
)

const (
	// The platform kills ten seconds after SIGTERM: requests get most of it, and
	// what they left under way the rest.
	drainTimeout = 5 * time.Second
	closeTimeout = 1500 * time.Millisecond
)

// serve runs until ctx ends: it opens, listens, tells where, and drains.
func serve(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) (err error) {
	s := launch.FromEnv(getenv)
	s.Serves = true
	fs := flag.NewFlagSet("headgate serve", flag.ContinueOnError)
	fs.SetOutput(stderr)
	s.Flags(fs, functions.Names())
	verbose := fs.Bool("v", false, "log every request")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%w: unexpected %q", errUsage, fs.Arg(0))
	}
	if err := s.Check(); err != nil {
		return err
	}
	cfg, example, err := s.LoadConfig(getenv)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	log := obs.NewLogger(stderr, s.CloudRun, level)
	launch.TuneGC(getenv)
	s.FindProject(ctx, cfg)

	// Listen before opening: a port in use must not touch another process's data.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is in use: choose another address with -addr", s.Addr)
		}
		return err
	}
	defer listener.Close()
	if !s.CloudRun {
		s.Base = baseOf(listener.Addr())
	}
	outside := example && s.Function == "" && onThisMachine(listener.Addr())
	if outside {
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
			log.Warn("not all that was under way ended in time: a sweep makes up for it", "error", closeErr)
		}
	}()
	var names []string
	if s.Function != "" {
		names = []string{s.Function}
	}
	handler, err := functions.Handler(a, names...)
	if err != nil {
		return err
	}
	if outside {
		handler = withExample(handler, functions.Beside(a, newExample()))
	}
	server := &http.Server{
		Handler: obs.Traced(s.Project, handler), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, WriteTimeout: 5 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 256 << 10,
	}
	server.RegisterOnShutdown(a.Drain) // streams would keep it from ending
	announce(stdout, log, s, cfg, listener.Addr(), example, outside)
	a.Start()

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if outside {
		go hearOfExample(ctx, s.Base, log)
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("draining")
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		log.Warn("some requests did not end in time", "error", err)
		_ = server.Close()
	}
	return nil
}

// announce logs the configuration and, for a person at a terminal, says what to try.
func announce(stdout io.Writer, log *slog.Logger, s launch.Settings, cfg *config.Config, addr net.Addr, example, outside bool) {
	for _, svc := range cfg.Services {
		log.Info("service", "serviceName", svc.ServiceName, "trigger", svc.Trigger.Type,
			"observationPeriod", svc.Trigger.Period().String(), "endpoints", len(svc.Endpoints), "topic", svc.TargetPubSub.Topic)
	}
	log.Info("memory", "limitMiB", s.Memory>>20, "budgets", budget.Divide(s.Memory))
	log.Info("listening", "addr", addr.String(), "store", s.Store, "bus", s.Bus, "function", s.Function, "version", versionString())
	loopback := false
	if tcp, ok := addr.(*net.TCPAddr); ok {
		loopback = tcp.IP.IsLoopback()
	}
	if cfg.Auth == nil && !loopback && !s.CloudRun {
		log.Warn(`anybody who reaches this address may send events and trigger: configure "auth"`)
	}
	if s.CloudRun {
		return
	}
	base := baseOf(addr)
	if example {
		fmt.Fprintln(stdout, "No configuration given: serving the example (see -config).")
	}
	for i, svc := range cfg.Services {
		prefix := base
		if i > 0 {
			prefix += "/services/" + gate.PathSegment(svc.ServiceName)
		}
		fmt.Fprintf(stdout, "\n%s\n", svc.ServiceName)
		for _, e := range svc.Endpoints {
			fmt.Fprintf(stdout, "  event     %s/event/%s\n", prefix, escapeKey(e.EventKey))
		}
		fmt.Fprintf(stdout, "  status    %[1]s/status\n  messages  %[1]s/messages\n  trigger   %[1]s/trigger\n", prefix)
	}
	if s.Function == "" || s.Function == functions.Console {
		fmt.Fprintf(stdout, "\nConsole\n  %s/console\n", base)
	}
	fmt.Fprintf(stdout, "\nTry it:\n")
	for _, e := range cfg.Services[0].Endpoints {
		fmt.Fprintf(stdout, "  curl -d 'hello' %s/event/%s\n", base, escapeKey(e.EventKey))
	}
	fmt.Fprintf(stdout, "  curl %s/messages\n", base)
	if outside {
		fmt.Fprintf(stdout, "  curl -d '%s' %s%s/set-tasks\n", exampleChange, base, exampleSource)
	}
	fmt.Fprintln(stdout)
}

// baseOf is where this machine reaches what listens there.
func baseOf(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + addr.String()
}

func escapeKey(key string) string { return (&url.URL{Path: key}).EscapedPath() }
