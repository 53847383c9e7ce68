package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"cloud.google.com/go/compute/metadata"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/bus/pubsubbus"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/cloudtimer"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/googletoken"
	"github.com/headgate/headgate/internal/platform/obs"
	"github.com/headgate/headgate/internal/store/firestorestore"
	"github.com/headgate/headgate/internal/store/memorystore"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// localSweep is the interval of sweeps in a process that no scheduler calls.
const localSweep = 10 * time.Second

// TuneGC sets the garbage collector for a small heap and much garbage: it collects half as
// often as Go does by default, but the heap never exceeds the memory that the process
// may use. GOGC and GOMEMLIMIT in the environment override these settings.
func TuneGC(getenv func(string) string) {
	if limit := memoryLimit(getenv); limit > 0 && getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
	if getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// Open opens the drivers and builds the App on them. The caller must start and close it.
func Open(ctx context.Context, s Settings, cfg *config.Config, log *slog.Logger) (*app.App, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s.FindProject(ctx, cfg)
	if s.Project == "" && (s.Store == Firestore || s.Bus == PubSub) {
		return nil, errors.New("no Google Cloud project is known: name it with --project or $GOOGLE_CLOUD_PROJECT")
	}
	log = obs.InProject(log, s.Project)
	warnings := append(s.unchosen(), aloneWithClients(s, cfg)...)
	tell(log, silentEmulators(ctx, s)) // only logged: /readyz asks the emulators itself
	st, more, err := openStore(ctx, s, cfg)
	if err != nil {
		return nil, err
	}
	warnings = append(warnings, more...)
	b, err := openBus(ctx, s, cfg, log)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	o, err := options(ctx, s, cfg, log)
	if err != nil {
		return nil, errors.Join(err, b.Close(), st.Close())
	}
	o.Store, o.Bus = st, b
	o.Warnings = tell(log, warnings)
	exported, err := startTelemetry(ctx, s, &o)
	if err != nil {
		return nil, errors.Join(err, b.Close(), st.Close())
	}
	a, err := app.New(o)
	if err != nil {
		return nil, errors.Join(err, exported.Close(ctx), b.Close(), st.Close())
	}
	exported.Observe(a.Gauges)
	return a, nil
}

// options returns the options of an App, without its store, its bus and its telemetry.
func options(ctx context.Context, s Settings, cfg *config.Config, log *slog.Logger) (o app.Options, err error) {
	o = app.Options{Reads: s.Reads, Config: cfg, Log: log, Platform: s.Platform, Kinds: Kinds()}
	if o.Platform.BackgroundCPU() {
		o.SweepEvery, o.Receive = localSweep, true
	}
	if o.Env, err = sourceEnv(s, cfg.SyncSettings(), log); err != nil {
		return o, err
	}
	if o.Secret, err = configured(cfg); err != nil {
		return o, err
	}
	if !o.Platform.BackgroundCPU() && !s.Reads {
		o.Timer = func(svc config.Service) (gate.Timer, error) {
			return cloudtimer.Open(ctx, cloudtimer.Options{Queue: svc.Timers.Queue, URL: cfg.TimersURL(svc), ServiceAccount: svc.Timers.ServiceAccount})
		}
	}
	o.Place = place(s, cfg)
	o.Place.Resolve = o.Secret
	if s.Examines {
		o.Secret = lenient(o.Secret)
	}
	o.LiveTopic, o.ServesLive = liveTopic(s, cfg), s.servesLive()
	if o.HooksHTTP, err = hooksHTTP(s, cfg); err != nil {
		return o, err
	}
	if o.LiveHTTP, err = LiveHTTP(s.Platform, cfg); err != nil {
		return o, err
	}
	o.Tokens = new(googletoken.Source)
	o.Base, o.Slept, o.Memory = s.Base, slept, budget.Divide(s.Memory)
	o.Env.Memory = o.Memory.Work
	return o, nil
}

// liveTopic returns the topic for signals between instances: the configured one, or with
// the Pub/Sub emulator, where we may create topics, one of our own. It is "" if there is
// none.
func liveTopic(s Settings, cfg *config.Config) string {
	switch {
	case cfg.Live != nil && cfg.Live.Topic != "":
		return cfg.Live.Topic
	case s.Bus != Local && s.PubSubEmulator:
		return "projects/" + s.Project + "/topics/headgate-live"
	}
	return ""
}

// storeFile returns the path of the embedded store.
func (s Settings) storeFile() string { return filepath.Join(s.Data, "headgate.db") }

func openStore(ctx context.Context, s Settings, cfg *config.Config) (app.Store, []warning, error) {
	if s.Store == SQLite {
		if s.Examines && !s.StoreExists() {
			return memorystore.New(memorystore.Options{}), nil, nil
		}
		path := s.storeFile()
		open := sqlitestore.Open
		if s.Reads {
			open = sqlitestore.OpenForReading
		}
		st, err := open(ctx, path)
		if err != nil {
			return nil, nil, fmt.Errorf("open the embedded store %s: %w%s", path, err, advice(s, err))
		}
		warnings, err := serveAlone(s, cfg, st)
		if err != nil {
			return nil, nil, errors.Join(err, st.Close())
		}
		return st, warnings, nil
	}
	st, err := firestorestore.Open(ctx, firestorestore.Options{Project: s.Project, Database: s.Database})
	if err != nil {
		return nil, nil, fmt.Errorf("open Firestore in project %s: %w", s.Project, err)
	}
	return st, nil, nil
}

// advice returns what the operator can do about a store that cannot be opened.
func advice(s Settings, err error) string {
	switch {
	case errors.Is(err, sqlitestore.ErrReadOnly):
		return fmt.Sprintf("\nlet user %d write to the directory %s and to the files in it, or choose another with --data", os.Getuid(), s.Data)
	case errors.Is(err, sqlitestore.ErrDamaged):
		return fmt.Sprintf("\nrestore a backup with `%s restore FILE`, or move %s and the files beside it away to start with an empty store",
			cmp.Or(s.Program, "headgate"), s.storeFile())
	case errors.Is(err, sqlitestore.ErrFull):
		return fmt.Sprintf("\nfree some space on the disk of %s", s.Data)
	case errors.Is(err, sqlitestore.ErrForeign):
		return fmt.Sprintf("\nmove %s away, or choose another directory with --data", s.storeFile())
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Sprintf("\nthe embedded store needs a directory, which is created if it does not exist: choose another one than %s with --data", s.Data)
	}
	return ""
}

func openBus(ctx context.Context, s Settings, cfg *config.Config, log *slog.Logger) (bus.Bus, error) {
	var topics []string
	for _, svc := range cfg.Services {
		topics = append(topics, svc.Topics()...)
	}
	if t := liveTopic(s, cfg); t != "" {
		topics = append(topics, t)
	}
	if s.Bus == Local || s.Reads { // a command that reads publishes nothing
		return localbus.New(topics...), nil
	}
	b, err := pubsubbus.Open(ctx, pubsubbus.Options{Project: s.Project, CreateTopics: s.PubSubEmulator && !s.Examines})
	if err != nil {
		return nil, fmt.Errorf("open Pub/Sub in project %s: %w", s.Project, err)
	}
	if s.PubSubEmulator && !s.Examines { // it starts without topics, and no deployment creates them
		for _, t := range topics {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
			if err := b.Ensure(ctx, t); err != nil {
				log.Warn("the topic could not be created in the Pub/Sub emulator", "topic", t, "error", err)
			}
			cancel()
		}
	}
	return b, nil
}

// FindProject sets the project if none is given: to that of the metadata server on
// Google Cloud, and elsewhere to that of the first topic. A configuration without a topic
// leaves it empty.
func (s *Settings) FindProject(ctx context.Context, cfg *config.Config) {
	if s.Project != "" {
		return
	}
	if s.Platform.GoogleCloud() {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if p, err := metadata.ProjectIDWithContext(ctx); err == nil && p != "" {
			s.Project = p
			return
		}
	}
	topic := cfg.LiveSettings().Topic
	for _, svc := range cfg.Services {
		if topics := svc.Topics(); len(topics) > 0 {
			topic = topics[0]
			break
		}
	}
	s.Project, _, _ = strings.Cut(strings.TrimPrefix(topic, "projects/"), "/")
}
