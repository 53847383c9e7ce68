package cli

import (
	"io"

	"github.com/spf13/cobra"
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
			Args:    operands(),
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
