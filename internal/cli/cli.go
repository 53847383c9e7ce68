// Package cli is the command headgate.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/headgate/headgate/config"
)

// version is set by the linker in release builds.
var version = ""

const usage = `Usage:
  headgate [serve] [flags]      serve the functions (flags: headgate serve -h)
  headgate sync run FILE.json   run a sync (flags: headgate sync run -h)
  headgate sync list            list the syncs; sync runs ID, sync rejects ID
  headgate mock NAME            a stand-in for a system outside: sync-server, openfn, mywell,
                                external-data
  headgate backup FILE          copy the embedded store, also of a running server (-data DIR)
  headgate restore FILE         put a backup in the embedded store's place (-data DIR)
  headgate config check FILE    list every fault of a configuration
  headgate config schema        print the configuration's JSON Schema
  headgate version              print the version
`

// Main runs the command and returns its exit status.
func Main(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer, built string) int {
	version = built
	err := run(ctx, args, getenv, stdout, stderr)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "headgate: %v\n\n%s", err, usage)
		return 2
	case errors.Is(err, errPartial):
		return 3
	default:
		fmt.Fprintln(stderr, "headgate:", err)
		return 1
	}
	return 0
}

var errUsage = errors.New("usage")

// run is main without the process: the end-to-end tests call it too.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	command := "serve"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		return serve(ctx, args, getenv, stdout, stderr)
	case "config":
		return configCommand(args, stdout)
	case "sync":
		return syncCommand(ctx, args, getenv, stdout, stderr)
	case "backup", "restore":
		return backupCommand(ctx, command, args, getenv, stdout, stderr)
	case "mock":
		return mockCommand(ctx, args, stdout, stderr)
	case "version":
		fmt.Fprintln(stdout, "headgate", versionString())
		return nil
	case "help":
		fmt.Fprint(stdout, usage)
		return nil
	default:
		return fmt.Errorf("%w: no command %q", errUsage, command)
	}
}

func configCommand(args []string, stdout io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "schema":
		_, err := stdout.Write(config.Schema())
		return err
	case len(args) == 2 && args[0] == "check":
		data, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		cfg, err := config.Parse(data)
		if err != nil {
			return fmt.Errorf("%s is not valid:\n%w", args[1], err)
		}
		for _, s := range cfg.Services {
			fmt.Fprintf(stdout, "ok: %q, %s, %d endpoints, to %s\n", s.ServiceName, s.Trigger.Type, len(s.Endpoints), s.TargetPubSub.Topic)
		}
		return nil
	default:
		return fmt.Errorf("%w: config check FILE, or config schema", errUsage)
	}
}

func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
