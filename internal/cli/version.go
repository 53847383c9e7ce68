package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newVersion(p *Process) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Long: "Print the version.", Example: "  $ headgate version",
		Args: noOperands,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.Stdout, name, p.shownVersion())
			return err
		},
	}
}
