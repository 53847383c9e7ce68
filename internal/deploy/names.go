package deploy

import (
	"errors"
	"fmt"
	"strings"
)

// word returns the text with dashes where a name of Google Cloud cannot have its characters.
func word(text string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-') {
			return r
		}
		return '-'
	}, text), "-")
}

// unique returns a name of small letters, digits and dashes that no other of the list has.
func unique(text string, taken func(string) bool) string {
	name := strings.ToLower(strings.ReplaceAll(word(text), "_", "-"))
	if len(name) > 50 { // a trigger's name has 63 at most
		name = strings.Trim(name[:50], "-")
	}
	return numbered(name, taken)
}

// numbered returns the name, with a number behind it if others have it already.
func numbered(name string, taken func(string) bool) string {
	next := name
	for n := 2; taken(next); n++ {
		next = fmt.Sprintf("%s-%d", name, n)
	}
	return next
}

// longestSubscription leaves space for a number: Pub/Sub takes 255 characters.
const longestSubscription = 250

// checkNames lists the names that cannot be used. A script has most of them as words of their
// own, where one that begins with a dash would be a flag of gcloud.
func (b *builder) checkNames() error {
	var errs []error
	refuse := func(names ...string) {
		for _, name := range names {
			if strings.HasPrefix(name, "-") {
				errs = append(errs, fmt.Errorf("the name %q begins with a dash: gcloud would take it for a flag", name))
			}
		}
	}
	for _, q := range b.Queues {
		refuse(q.Location, q.Name)
	}
	for _, g := range b.Grants {
		if g.Kind == OnQueue && g.On.Project == "" {
			continue // it is one of the queues
		}
		refuse(g.On.Project, g.On.Location, g.On.Name)
	}
	return errors.Join(append(errs, b.refused...)...)
}
