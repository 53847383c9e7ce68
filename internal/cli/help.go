package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Explain a command", Long: "Explain a command.",
		Example:               "  $ headgate help sync run",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 && found.HasSubCommands() {
				return unknownCommand(found, rest[0])
			}
			if len(rest) > 0 {
				return wrongUsage("unexpected %q: %s has no commands", rest[0], pathOf(found))
			}
			found.InitDefaultHelpFlag()
			found.InitDefaultVersionFlag()
			return found.Help()
		},
	}
}

// printUsage prints what --help shows after the description.
func printUsage(cmd *cobra.Command) error {
	w := new(strings.Builder)
	fmt.Fprint(w, "Usage:\n")
	printLines(w, cmd)
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	printCommands(w, cmd)
	printFlags(w, cmd)
	if cmd.HasAvailableSubCommands() {
		what := cmp.Or(cmd.Annotations[below], "command")
		fmt.Fprintf(w, "\n%q says more about a %s.\n", cmd.CommandPath()+" "+strings.ToUpper(what)+" --help", what)
	}
	_, err := io.WriteString(cmd.OutOrStdout(), w.String())
	return err
}

// printLines prints the forms that the command line can have.
func printLines(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "  %s\n", cmd.UseLine())
	if !cmd.HasParent() {
		fmt.Fprintf(w, "  %s COMMAND\n", cmd.CommandPath())
	}
}

// printCommands prints the commands below, by their groups.
func printCommands(w io.Writer, cmd *cobra.Command) {
	commands := slices.DeleteFunc(slices.Clone(cmd.Commands()), func(c *cobra.Command) bool {
		return !c.IsAvailableCommand() && c.Name() != "help"
	})
	form := func(c *cobra.Command) string {
		if cmd.HasParent() { // there are few: their operands fit in
			return c.Use
		}
		return c.Name()
	}
	width := 0
	for _, c := range commands {
		width = max(width, utf8.RuneCountInString(form(c)))
	}
	section := func(title, id string) {
		for _, c := range commands {
			if c.GroupID != id {
				continue
			}
			if title != "" {
				fmt.Fprintf(w, "\n%s:\n", title)
				title = ""
			}
			fmt.Fprintf(w, "  %-*s   %s\n", width, form(c), c.Short)
		}
	}
	for _, g := range cmd.Groups() {
		section(g.Title, g.ID)
	}
	if len(cmd.Groups()) == 0 {
		what := cmp.Or(cmd.Annotations[below], "command")
		section(strings.ToUpper(what[:1])+what[1:]+"s", "")
		return
	}
	section("More", "")
}

// printFlags prints the flags. Of a command that works on a deployment, those that say
// on which one stand apart: they are the same for all such commands.
func printFlags(w io.Writer, cmd *cobra.Command) {
	own, where := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if url := cmd.LocalFlags().Lookup("url"); url != nil && !url.Hidden && (f.Name == "token" || isPlace(f)) {
			where.AddFlag(f)
			return
		}
		own.AddFlag(f)
	})
	if own.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", own.FlagUsages())
	}
	if where.HasAvailableFlags() {
		fmt.Fprintf(w, "\nWhere:\n%s", where.FlagUsages())
	}
}

// shortUsage returns what follows a usage error: how to call the command, or the few
// commands below it. The rest would push the error out of sight.
func shortUsage(cmd *cobra.Command) string {
	w := new(strings.Builder)
	fmt.Fprint(w, "Usage:\n")
	printLines(w, cmd)
	if len(cmd.Groups()) == 0 {
		printCommands(w, cmd)
	}
	fmt.Fprintf(w, "\n%q says more.\n", cmd.CommandPath()+" --help")
	return w.String()
}
