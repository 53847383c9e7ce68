package credential

import (
	"regexp"
	"strings"
)

const manager = "sm://"

var resource = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9.:-]*/secrets/[\w-]+(/versions/[\w-]+)?$`)

// IsReference reports whether the value is a reference to a credential, and not the
// credential itself.
func IsReference(value string) bool {
	return strings.HasPrefix(value, "env:") || IsManaged(value)
}

// IsManaged reports whether the value refers to a secret of Secret Manager. It does not
// check the secret's name; Managed does.
func IsManaged(value string) bool { return strings.HasPrefix(value, manager) }

// Managed returns Secret Manager's name for the secret of a reference
// "sm://projects/P/secrets/S[/versions/V]". A reference without a version means the
// latest. ok reports whether the reference has that form.
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

// Whole returns the reference with everything that it may leave out: that of a secret without
// a version gets the latest. References are equal if these are.
func Whole(reference string) string {
	if name, ok := Managed(reference); ok {
		return manager + name
	}
	return reference
}
