package credential

import (
	"regexp"
	"strings"
)

const manager = "sm://"

var resource = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9.:-]*/secrets/[\w-]+(/versions/[\w-]+)?$`)

// IsReference reports whether the value only says where a credential is.
func IsReference(value string) bool {
	return strings.HasPrefix(value, "env:") || IsManaged(value)
}

// IsManaged reports whether the value refers to a secret of Secret Manager. The secret
// may have no valid name.
func IsManaged(value string) bool { return strings.HasPrefix(value, manager) }

// Managed returns the name that Secret Manager gives the secret which the reference
// "sm://projects/P/secrets/S[/versions/V]" names, with the version that it means: the
// latest if it names none. ok reports whether the reference is of that form.
func Managed(reference string) (name string, ok bool) {
	name, ok = strings.CutPrefix(reference, manager)
	if !ok || !resource.MatchString(name) {
		return "", false
	}
	if !strings.Contains(name, "/versions/") {
		name += "/versions/latest"
	}
	return name, true
}
