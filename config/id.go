package config

import "regexp"

var plainIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$`)

// PlainID reports whether the id of a sync, a hook or a draft is valid: it consists of
// characters that need no escaping in a URL, a topic or a document's name.
func PlainID(id string) bool { return plainIDForm.MatchString(id) }
