package cli

import (
	"github.com/spf13/cobra"

	"github.com/headgate/headgate/config"
)

func newConfigSchema(p *Process) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration",
		Long:    "Print the JSON Schema of the configuration, for editors.",
		Example: "  $ headgate config schema > headgate.schema.json",
		Args:    noOperands,
		RunE: func(*cobra.Command, []string) error {
			_, err := p.Stdout.Write(config.Schema())
			return err
		},
	}
}
