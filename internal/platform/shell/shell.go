// Package shell writes words for command lines that a person copies, or that a script has.
package shell

import (
	"regexp"
	"strings"
)

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@=,+-]+$`)

// InQuotes returns the text as a part of a word between double quotes, where the shell evaluates
// nothing in it.
func InQuotes(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(text)
}

// Quote returns the text as one word of a POSIX shell, which evaluates nothing in it.
func Quote(text string) string {
	if plain.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Required returns the value of a variable as a part of a word between double quotes. If the
// variable is not set, the shell runs no command: it says what to set. The text must have no
// closing brace.
func Required(variable, says string) string {
	return "${" + variable + ":?" + InQuotes(says) + "}"
}
