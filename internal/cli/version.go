package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newVersion(p *Process) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Long: "Print the version.", Example: "  $ headgate version",
		Args: noOperands,
		RunE: func(*cobra.Command, []string) error { return p.printVersion() },
	}
}

// printsVersion adds the flag --version to the root. The flag that cobra would add takes its
// format from a template; package text/template calls methods by name, and where a program
// does that the linker must keep every exported method of every type.
func printsVersion(p *Process, root *cobra.Command) {
	asked := root.Flags().Bool("version", false, "version for "+name)
	run := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *asked {
			return p.printVersion()
		}
		return run(cmd, args)
	}
}

func (p *Process) printVersion() error {
	_, err := fmt.Fprintln(p.Stdout, name, p.shownVersion())
	return err
}
