package cli

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/headgate/headgate/internal/platform/launch"
)

// backupCommand copies the embedded store to a file, or puts such a copy in its place.
func backupCommand(ctx context.Context, what string, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	s := launch.FromEnv(getenv)
	fs := flag.NewFlagSet("headgate "+what, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&s.Data, "data", s.Data, "directory of the embedded store")
	operands, err := parseInterspersed(fs, args)
	if err != nil {
		return err
	}
	if len(operands) != 1 {
		return fmt.Errorf("%w: %s FILE", errUsage, what)
	}
	if what == "backup" {
		if err := launch.Backup(ctx, s, operands[0]); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "The store in %s is backed up to %s. It has every credential in it: keep it safe.\n", s.Data, operands[0])
		return nil
	}
	kept, err := launch.Restore(ctx, s, operands[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The store in %s is that of %s now.\n", s.Data, operands[0])
	if kept != "" {
		fmt.Fprintf(stdout, "The former one is kept as %s.\n", kept)
	}
	return nil
}
