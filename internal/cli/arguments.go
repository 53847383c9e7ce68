package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// arguments returns the arguments in the one spelling that cobra reads the same way at
// every place:
//
//   - "-addr" becomes "--addr": flags had one dash once, and scripts still use it. Without
//     this, "-addr" would be the flags -a, -d and so on.
//   - "--json" becomes "--json=true". A flag may stand before the command that declares
//     it. At that place cobra takes the next word for the value of an unknown flag.
//
// The word after a flag that takes a value, and the words after "--", do not change. Nor
// does anything if the shell asks for completions, because the last word is incomplete then.
func arguments(root *cobra.Command, args []string) []string {
	if completing(args) {
		return args
	}
	known := flagsOf(root)
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		word := args[i]
		if word == "--" {
			return append(out, args[i:]...)
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			out = append(out, word)
			continue
		}
		flag, value, hasValue := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
		f := known[flag]
		switch {
		case f == nil && len(flag) > 1:
			out = append(out, "--"+strings.TrimPrefix(word[1:], "-")) // the error names it whole
		case f == nil:
			out = append(out, word)
		case hasValue:
			out = append(out, "--"+f.Name+"="+value)
		case f.NoOptDefVal != "":
			out = append(out, "--"+f.Name+"="+f.NoOptDefVal)
		default:
			out = append(out, "--"+f.Name)
			if i++; i < len(args) {
				out = append(out, args[i])
			}
		}
	}
	return out
}

// firstOperand returns the first word that is no flag and no flag's value, of words that
// arguments returned.
func firstOperand(words []string) string {
	for i := 0; i < len(words) && words[i] != "--"; i++ {
		if !strings.HasPrefix(words[i], "-") {
			return words[i]
		}
		if !strings.Contains(words[i], "=") {
			i++
		}
	}
	return ""
}

// flagsOf returns every flag of the command and of those below it, by its name and by
// its one letter. Where two commands have a flag of one name, both take a value or
// none does.
func flagsOf(cmd *cobra.Command) map[string]*pflag.Flag {
	known := map[string]*pflag.Flag{}
	add := func(f *pflag.Flag) {
		known[f.Name] = f
		if f.Shorthand != "" {
			known[f.Shorthand] = f
		}
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		c.InitDefaultVersionFlag()
		c.Flags().VisitAll(add)
		c.PersistentFlags().VisitAll(add)
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(cmd)
	return known
}
