package launch

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/bucket"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/googletoken"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/platform/secret"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
	"github.com/headgate/headgate/internal/sync/source/csvsource"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/mywell"
	"github.com/headgate/headgate/internal/sync/source/sqlsource"
)

// Kinds returns the kinds of data sources.
func Kinds() source.Registry {
	return source.NewRegistry(apisource.Kind(), csvsource.Kind(), datacollect.OpenFnAdapter(), datacollect.OpenFnAlias(), datacollect.CustomAdapter(), datacollect.SyncServer(), mywell.Kind(), sqlsource.Kind())
}

// CheckSyncs returns all faults of the definitions that a configuration declares.
func (s Settings) CheckSyncs(c *config.Config) []fault.Detail {
	env := source.Env{MaySend: policy(s, c.SyncSettings()).Check}
	_, faults := definition.Declared(c.Syncs, func(def *definition.Sync) []fault.Detail { return def.CheckIn(Kinds(), env) })
	return faults
}

// sourceEnv returns the environment in which data sources work.
func sourceEnv(s Settings, cfg *config.Sync, log *slog.Logger) (source.Env, error) {
	out, err := outbound.New(outbound.Options{
		Allow: cfg.AllowHosts, AllowLoopback: s.Platform.OwnMachine(), AllowHTTP: cfg.AllowHTTP, HTTPSetting: "sync.allowHTTP",
		RatePerSecond: float64(cfg.RatePerSecond), Burst: cfg.RatePerSecond, MaxRedirects: 5,
	})
	if err != nil {
		return source.Env{}, fmt.Errorf("sync.allowHosts: %w", err)
	}
	secrets := &secret.Resolver{Getenv: os.Getenv, HTTP: out.HTTP(), Now: time.Now, Policy: policy(s, cfg)}
	env := source.Env{
		HTTP: out.HTTP(), DialContext: out.DialContext, Secret: secrets.For, MaySend: secrets.Policy.Check, AllowHTTP: cfg.AllowHTTP,
		Now: time.Now, Log: log,
	}
	dir := cfg.Directory
	if dir == "" && s.Platform.OwnMachine() {
		dir = "."
	}
	if dir == "" {
		return env, nil
	}
	if bucket.Is(dir) {
		return inBucket(env, dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return env, fmt.Errorf("sync.directory: %w", err)
	}
	env.Dir, env.Own, env.IsStore = root, s.storeFile(), sqlitestore.IsStore
	return env, nil
}

// inBucket adds the bucket that stands for a directory. Its files are shared by all instances.
func inBucket(env source.Env, place string) (source.Env, error) {
	b, err := bucket.Parse(place)
	if err != nil {
		return env, fmt.Errorf("sync.directory: %w", err)
	}
	tokens := new(googletoken.Source)
	b.HTTP, b.Token = env.HTTP, func(ctx context.Context) (string, error) { return tokens.OAuth(ctx, []string{bucket.Scope}) }
	if emulator := os.Getenv("STORAGE_EMULATOR_HOST"); emulator != "" {
		b.Base, b.Token = "http://"+strings.TrimPrefix(emulator, "http://"), nil
	}
	env.Bucket, env.Upload, env.IsStore = b.String(), b.Put, sqlitestore.IsStore
	return env, nil
}

// policy states which of the process's secrets definitions may use: those that the
// configuration lists. On a laptop without such a list, it is the variables whose names
// begin with secret.Prefix.
func policy(s Settings, cfg *config.Sync) secret.Policy {
	p := secret.Policy{Prefixed: cfg.Secrets == nil && s.Platform.OwnMachine()}
	for _, x := range cfg.Secrets {
		p.Grants = append(p.Grants, secret.Grant{Ref: x.Ref, Hosts: x.Hosts})
	}
	return p
}

// configured returns the function that resolves references of the configuration itself,
// such as the secrets that verify webhooks. The author of the configuration runs the
// process, so no list restricts these references. Their values are sent to no host, and
// definitions cannot use them.
func configured(cfg *config.Config) (func(context.Context, string) (string, error), error) {
	var o outbound.Options
	if cfg.Sync != nil {
		o.Allow = cfg.Sync.AllowHosts // Secret Manager may be behind an internal address
	}
	out, err := outbound.New(o)
	if err != nil {
		return nil, fmt.Errorf("sync.allowHosts: %w", err)
	}
	secrets := &secret.Resolver{Getenv: os.Getenv, HTTP: out.HTTP(), Now: time.Now}
	return secrets.Resolve, nil
}

// LiveHTTP returns the client that calls the resolvers, the pass-through and the keys of
// live. The author of the configuration chose their URLs, but clients choose the names of
// entities in them.
func LiveHTTP(platform hosting.Platform, cfg *config.Config) (*http.Client, error) {
	l := cfg.LiveSettings()
	out, err := outbound.New(outbound.Options{
		Allow: l.AllowHosts, AllowSetting: "live.allowHosts", AllowLoopback: platform.OwnMachine(),
		AllowHTTP: l.AllowHTTP, HTTPSetting: "live.allowHTTP", MaxRedirects: 5,
	})
	if err != nil {
		return nil, fmt.Errorf("live.allowHosts: %w", err)
	}
	return out.HTTP(), nil
}

// hooksHTTP returns the client that calls the targets of webhooks, and the source at
// which sessions are registered.
func hooksHTTP(s Settings, cfg *config.Config) (*http.Client, error) {
	o := outbound.Options{AllowLoopback: s.Platform.OwnMachine(), Attempts: 1, Timeout: 15 * time.Second}
	if cfg.Echo != nil {
		o.Allow = append(o.Allow, cfg.Echo.AllowTargets...)
		for _, address := range []string{cfg.Echo.Upstream, cfg.Echo.Broadcast} {
			if u, err := url.Parse(address); err == nil && u.Host != "" {
				o.Allow = append(o.Allow, u.Host) // the author of the configuration may name any host
				o.AllowHTTP = o.AllowHTTP || u.Scheme == "http"
			}
		}
	}
	out, err := outbound.New(o)
	if err != nil {
		return nil, fmt.Errorf("echo.allowTargets: %w", err)
	}
	return out.HTTP(), nil
}
