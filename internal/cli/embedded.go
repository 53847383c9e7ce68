package cli

import (
	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/platform/launch"
)

// embedded makes cmd one that works on the file of the embedded store, in the directory
// that --data names. elsewhere says what people use whose store is in Firestore.
//
// A person who means another store must hear so: a backup of the wrong one is found out
// when it is needed.
func embedded(p *Process, cmd *cobra.Command, elsewhere string, run func(cmd *cobra.Command, s launch.Settings, file string) error) *cobra.Command {
	s := p.settings
	s.DataFlag(cmd.Flags())
	here := func(given string) error {
		return wrongUsage("%s: %s works on the file of the embedded store: run it on the machine of the server, with --data naming the server's directory",
			given, cmd.Name())
	}
	// These flags are declared so that their error says more than that they are unknown.
	others := []string{"url", "token", "project", "database", "config", "bus"}
	for _, name := range append(others, "store") {
		cmd.Flags().String(name, "", "")
		_ = cmd.Flags().MarkHidden(name) // it fails for an unknown flag only
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flags := cmd.Flags()
		data := flags.Changed("data")
		store, _ := flags.GetString("store")
		switch {
		case flags.Changed("url"):
			return here("--url")
		case flags.Changed("token"):
			return here("--token")
		case store == launch.Firestore, flags.Changed("project"), flags.Changed("database"):
			return wrongUsage("%s works on the file of the embedded store: a store in Firestore has `%s`", cmd.Name(), elsewhere)
		case flags.Changed("store") && store != launch.SQLite:
			return wrongUsage("--store %q: must be sqlite or firestore", store)
		case flags.Changed("config"), flags.Changed("bus"):
			return wrongUsage("%s needs no configuration and no bus: only --data says where the store is", cmd.Name())
		case data && s.Data == "":
			return wrongUsage("--data is empty")
		case !data && p.Getenv(envURL) != "":
			return here("$" + envURL + " names a deployment")
		case !data && store == "" && s.Store == launch.Firestore:
			return wrongUsage("the environment chooses Firestore, which has `%s`: name an embedded store with --data", elsewhere)
		}
		return run(cmd, s, args[0])
	}
	return cmd
}
