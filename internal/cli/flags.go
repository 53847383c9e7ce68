package cli

import (
	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/platform/launch"
)

// checkFlags refuses flags that have no effect where the command works. A person who
// gives one believes that the command works somewhere else.
func checkFlags(cmd *cobra.Command, s launch.Settings) error {
	if err := s.Check(); err != nil {
		return usageError{err}
	}
	given := func(name string) bool {
		f := cmd.Flags().Lookup(name)
		return f != nil && f.Changed
	}
	for _, name := range []string{"url", "data"} {
		// A variable of a script that is not set must not lead to another store.
		if given(name) && cmd.Flags().Lookup(name).Value.String() == "" {
			return wrongUsage("--%s is empty", name)
		}
	}
	if given("url") {
		return nil // no flag for a store goes with it, which is said elsewhere
	}
	firestore := s.Store == launch.Firestore
	switch {
	case given("store") && given("data") && firestore:
		return wrongUsage("--data is for the embedded store: --store firestore does not use it")
	case given("database") && !firestore:
		return wrongUsage("--database is for Firestore: add --store firestore")
	case given("project") && !s.Serves && !firestore && s.Bus == launch.Local:
		return wrongUsage("--project is for Google Cloud: add --store firestore or --bus pubsub")
	}
	return nil
}
