package cli

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/headgate/headgate/internal/platform/shell"
)

// goRun is the command that starts Headgate from its source.
const goRun = "go run ."

// builtByRun matches the path of a program that "go run" built: in a directory of its
// own, or in Go's build cache.
var builtByRun = regexp.MustCompile(`[/\\](go-build[0-9]+[/\\]b[0-9]+[/\\]exe|[0-9a-f]{2}[/\\][0-9a-f]{64}-d)[/\\][^/\\]+$`)

// Program returns what a person types to start the program that was started as arg0.
func Program(arg0 string) string {
	if builtByRun.MatchString(arg0) {
		return goRun
	}
	return shell.Quote(arg0)
}

// places are the flags that say where a command works. A token is not among them: it
// is not to be shown.
var places = []string{"url", "config", "store", "bus", "data", "project", "database"}

// ofCommand marks a flag that has the name of a place, and says something else.
const ofCommand = "of-command"

// isPlace reports whether the flag says where its command works.
func isPlace(f *pflag.Flag) bool {
	return slices.Contains(places, f.Name) && f.Annotations[ofCommand] == nil
}

// typed returns the command line for another command on the deployment that cmd worked
// on.
func (p *Process) typed(cmd *cobra.Command, words ...string) string {
	line := p.Program + " " + strings.Join(words, " ")
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if isPlace(f) {
			line += " --" + f.Name + " " + shell.Quote(f.Value.String())
		}
	})
	return line
}
