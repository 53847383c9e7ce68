// Command headgate waits until every event source has reported inside a window
// and then publishes exactly one sync message; and it keeps records in step with
// the systems that they come from. See README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/headgate/headgate/internal/cli"
)

// version is set by the linker in release builds.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Main(ctx, cli.Process{
		Args: os.Args[1:], Program: cli.Program(os.Args[0]), Getenv: os.Getenv,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
	})
	stop()
	os.Exit(status)
}
