package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/headgate/headgate/internal/platform/decode"
)

// name is the command's name.
const name = "headgate"

// Groups of commands in the help. A command that sends events or shows what a gate does
// belongs to groupGate; the help leaves a group out that is empty.
const (
	groupServe = "serve"
	groupGate  = "gate"
	groupSync  = "sync"
	groupStore = "store"
	groupTools = "tools"
)

const (
	rootLong = `Headgate waits until every event source has reported inside a time window and
publishes exactly one message; and it keeps records in step with the systems that
they come from.

Without a command it serves, as "serve" does.`

	rootExample = `  $ headgate                                        # serve the example on 127.0.0.1:8080
  $ headgate --config gate.json --addr :8080        # serve a configuration
  $ headgate send entry1 -d hello                   # send an event to the server
  $ headgate status                                 # show what the gate waits for
  $ headgate sync run testdata/readings.json        # pull a file into the store
  $ headgate sync list --url https://gate.example.com`
)

// newRoot returns the whole tree of commands.
func newRoot(p *Process) *cobra.Command {
	root := &cobra.Command{
		Use: name, Long: rootLong, Example: rootExample,
		SilenceErrors: true, SilenceUsage: true, // Main prints them
		Args:                       noOperands,
		SuggestionsMinimumDistance: 2,
	}
	root.AddGroup(
		&cobra.Group{ID: groupServe, Title: "Serve"},
		&cobra.Group{ID: groupGate, Title: "Work with gates"},
		&cobra.Group{ID: groupSync, Title: "Work with syncs"},
		&cobra.Group{ID: groupStore, Title: "Keep the embedded store"},
		&cobra.Group{ID: groupTools, Title: "Try and check"},
	)
	serves(p, root)
	printsVersion(p, root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{withSuggestion(cmd, err)} })
	root.SetUsageFunc(printUsage)
	root.SetHelpCommand(newHelp())
	root.AddCommand(
		newServe(p), newStatus(p), newWindows(p), newMessages(p), newEvents(p), newWatch(p), newSend(p), newTrigger(p), newReset(p), newReplay(p), newAudit(p), newSimulate(p),
		newSync(p), newDoctor(p), newCost(p), newBackup(p), newRestore(p), newConfig(p), newDeploy(p), newMock(p), newCompletion(p), newVersion(p),
	)
	root.InitDefaultHelpCmd()
	finish(root)
	if p.Program != "" && p.Program != name {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: p.Program}
		typedAs(root, p.Program)
	}
	return root
}

// finish leaves "[flags]" out of the usage lines of the commands that have no flag but --help.
func finish(cmd *cobra.Command) {
	own := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) { own = own || !f.Hidden && f.Name != "help" })
	cmd.DisableFlagsInUseLine = !own
	for _, c := range cmd.Commands() {
		finish(c)
	}
}

// withSuggestion adds to the error for an unknown flag which one the person may have meant.
func withSuggestion(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			flags = append(flags, f.Name)
		}
	})
	meant := decode.Nearest(unknown.GetSpecifiedName(), flags)
	if meant == "" {
		return err
	}
	return fmt.Errorf("%w: did you mean --%s?", err, meant)
}

// typedAs puts what a person types in place of the name in all examples.
func typedAs(cmd *cobra.Command, program string) {
	cmd.Example = strings.ReplaceAll(cmd.Example, "$ "+name, "$ "+program)
	for _, c := range cmd.Commands() {
		typedAs(c, program)
	}
}

// group makes a command of one that only holds others. what names those others in errors,
// and in the usage line.
func group(cmd *cobra.Command, what string, commands ...*cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = 2
	cmd.DisableFlagsInUseLine = true
	cmd.Annotations = map[string]string{below: what}
	cmd.Args = operand(what)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return unknownCommand(cmd, args[0]) }
	cmd.AddCommand(commands...)
	return cmd
}

// below is the annotation that names what a command holds, where that is not commands.
const below = "below"

// misspelt returns an error if a word stands where a command should, and is none. Cobra
// would find out only after it has read the flags: it would complain of a flag that is the
// meant command's, and explain another command where --help is among the words.
func misspelt(root *cobra.Command, words []string) (*cobra.Command, error) {
	if completing(words) {
		return root, nil
	}
	cmd, rest, err := root.Find(words)
	if err != nil {
		return root, usageError{err}
	}
	if word := firstOperand(rest); word != "" && cmd.HasSubCommands() {
		return cmd, unknownCommand(cmd, word)
	}
	return cmd, nil
}

// unknownCommand says which commands the person may have meant.
func unknownCommand(cmd *cobra.Command, typed string) error {
	what := cmp.Or(cmd.Annotations[below], "command")
	meant := cmd.SuggestionsFor(typed)
	if len(meant) == 0 {
		return wrongUsage("no %s %q", what, typed)
	}
	return wrongUsage("no %s %q: did you mean %s?", what, typed, strings.Join(meant, " or "))
}

// noOperands returns an error if there is an operand.
func noOperands(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUsage("unexpected %q", args[0])
	}
	return nil
}

// operand returns a check that there is one operand, or any number more where the name
// ends in an ellipsis. The name is "ID" or "ID or FILE".
func operand(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		only, more := strings.CutSuffix(name, "…")
		switch {
		case len(args) == 0:
			article := "a "
			if strings.ContainsAny(only[:1], "AEIO") {
				article = "an "
			}
			return wrongUsage("%s needs %s%s", pathOf(cmd), article, strings.ReplaceAll(only, " or ", " or a "))
		case len(args) > 1 && !more:
			return wrongUsage("%s takes one %s: unexpected %q", pathOf(cmd), only, args[1])
		}
		return nil
	}
}

// pathOf returns the words of the command without the program.
func pathOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().CommandPath()+" ")
}
