package cli

import "github.com/spf13/cobra"

func newConfig(p *Process) *cobra.Command {
	return group(&cobra.Command{
		Use: "config COMMAND", Short: "Check a configuration, or print its JSON Schema",
		Long: "Check a configuration, or print its JSON Schema.", GroupID: groupTools,
		Example: "  $ headgate config check gate.json",
	}, "command", newConfigCheck(p), newConfigSchema(p))
}
