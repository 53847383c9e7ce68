package cli

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/headgate/headgate/internal/cli/deployment"
)

// newCompletion replaces cobra's command of the same name, which does not report mistakes
// as our usage errors.
func newCompletion(p *Process) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "completion SHELL", Short: "Print a script that completes commands in your shell",
		Long:    "Print a script that completes commands, flags and their values in your shell.",
		Example: "  $ headgate completion bash > ~/.local/share/bash-completion/completions/headgate",
	}, "shell")
	for _, shell := range []struct {
		name, where, example string
		script               func(root *cobra.Command, w io.Writer) error
	}{
		{
			"bash", "It needs the package bash-completion.\nTo try it in one shell: source <(headgate completion bash)", "completion bash > ~/.local/share/bash-completion/completions/headgate",
			func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		},
		{
			"fish", "Put it among your completions.\nTo try it in one shell: headgate completion fish | source", "completion fish > ~/.config/fish/completions/headgate.fish",
			func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		},
		{
			"powershell", "Add it to your profile.", "completion powershell >> $PROFILE",
			(*cobra.Command).GenPowerShellCompletionWithDesc,
		},
		{
			"zsh", "Put it where $fpath finds it, and call compinit.\nTo try it in one shell: source <(headgate completion zsh)", `completion zsh > "${fpath[1]}/_headgate"`,
			(*cobra.Command).GenZshCompletion,
		},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: shell.name, Short: "Print the script for " + shell.name,
			Long:    "Print the script for " + shell.name + ". " + shell.where,
			Example: "  $ headgate " + shell.example,
			Args:    noOperands,
			RunE:    func(cmd *cobra.Command, _ []string) error { return shell.script(cmd.Root(), p.Stdout) },
		})
	}
	return cmd
}

// completes lets the shell offer these values for a flag.
func completes(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the command has no such flag
	}
}

// completesFiles lets the shell offer files with these ends as operands.
func completesFiles(cmd *cobra.Command, ends ...string) {
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return ends, cobra.ShellCompDirectiveFilterFileExt
	}
}

// completesIDs lets the shell offer the ids of stored syncs as the operand, and files with
// these ends beside them. Where no id fits, the shell looks for the files itself.
func (w *where) completesIDs(cmd *cobra.Command, ends ...string) {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		offers := w.ids(cmd.Context(), typed)
		if len(offers) == 0 && len(ends) > 0 {
			return ends, cobra.ShellCompDirectiveFilterFileExt
		}
		for _, end := range ends {
			files, _ := filepath.Glob(typed + "*." + end) // the only error is a pattern that nobody completes
			offers = append(offers, files...)
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

// completionTime bounds the search for completions in a store or a deployment: a person
// waits for it.
const completionTime = 2 * time.Second

// ids returns the ids of the stored syncs that begin with the text. It says nothing of what
// fails: that would be written into the line that the person types.
func (w *where) ids(ctx context.Context, begin string) (ids []string) {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	process, silent := *w.p, *w
	process.Stderr = io.Discard
	silent.p = &process
	_ = silent.with(ctx, reads, func(string, ...any) {}, func(d deployment.Deployment) error {
		syncs, err := d.Syncs(ctx)
		for _, s := range syncs {
			if strings.HasPrefix(s.ID, begin) {
				ids = append(ids, s.ID)
			}
		}
		return err
	})
	return ids
}

// completing reports whether the shell asks for completions.
func completing(args []string) bool {
	return len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
}

// unquote removes the backquotes that mark names in the texts of flags. The help uses
// them, and completions would show them.
func unquote(cmd *cobra.Command) {
	plain := func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) }
	cmd.Flags().VisitAll(plain)
	cmd.PersistentFlags().VisitAll(plain)
	for _, c := range cmd.Commands() {
		unquote(c)
	}
}
