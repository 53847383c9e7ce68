// Package cli is the command headgate: it reads the arguments, calls a use case and
// prints what a person or a program wants to know.
//
// Invariants:
//
//   - One file per command, named after it.
//   - Results go to standard output. Notices, progress and errors go to standard error, so
//     that results can be piped.
//   - A command that only reads makes no store.
//
// On failure: Main prints an error once, and the exit status tells its kind. A usage error
// comes with the usage of its command.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/platform/printable"
)

// The exit statuses beside 0.
const (
	exitError   = 1 // it failed
	exitUsage   = 2 // the command line is wrong: nothing was done
	exitPartial = 3 // a run finished, and some rows were rejected
)

// errPartial says that a run finished and some rows were rejected. Its summary has
// said so already.
var errPartial = errors.New("some rows were rejected")

// errUnwell says that an examination found errors. Its report has said so already.
var errUnwell = errors.New("the examination found errors")

// usageError says that the command line is wrong.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func wrongUsage(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// Process gives a command its arguments, environment and streams.
type Process struct {
	Args           []string // without the program
	Program        string   // what a person types to start it; "" is headgate
	Getenv         func(string) string
	Stdin          io.Reader // nil is empty
	Stdout, Stderr io.Writer
	Version        string // set in release builds; "" is the module's

	settings launch.Settings // that the environment gives
}

// Main runs the command until it has ended or ctx ends, and returns the exit status.
func Main(ctx context.Context, p Process) int {
	p.Program = cmp.Or(p.Program, name)
	p.settings = launch.FromEnv(p.Getenv)
	p.settings.Program, p.settings.Version = p.Program, p.shownVersion()
	root := newRoot(&p)
	if completing(p.Args) {
		unquote(root)
	}
	words := arguments(root, p.Args)
	root.SetArgs(words)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	cmd, err := misspelt(root, words)
	if err == nil {
		cmd, err = root.ExecuteContextC(ctx)
	}
	if err == nil {
		return 0
	}
	if errors.Is(err, errPartial) {
		return exitPartial
	}
	if errors.Is(err, errUnwell) {
		return exitError
	}
	fmt.Fprintln(p.Stderr, "headgate:", printable.Text(err.Error(), "\n")) // it may quote a server
	if _, ok := errors.AsType[usageError](err); !ok {
		return exitError
	}
	fmt.Fprintf(p.Stderr, "\n%s", shortUsage(cmd))
	return exitUsage
}

func (p *Process) shownVersion() string {
	if p.Version != "" {
		return p.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
