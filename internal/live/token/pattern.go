package token

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/headgate/headgate/live"
)

// PatternError says that a token is signed and in time, and lists a pattern that names
// nothing. The token's issuer must correct it, so the caller may read it.
type PatternError struct{ Pattern, Rule string }

// longestShown bounds the part of a pattern that an error repeats, in bytes.
const longestShown = 200

// Error names the claim, the pattern and the rule.
func (e *PatternError) Error() string {
	shown := strings.ToValidUTF8(e.Pattern[:min(len(e.Pattern), longestShown)], "")
	return fmt.Sprintf(`the token's claim "entities" has %q: %s`, shown, e.Rule)
}

const (
	everything = "*"
	formRule   = "a pattern is type/id, organisation/type/id or *, and a slash within a part is %2F"
)

// Allow returns a function that reports whether a key matches one of the patterns:
// "items/100", "items/*", "acme/items/100", "acme/items/*" or "*". Only the number of parts
// decides whether the first one is an organisation, so a pattern names one entity, or
// all of one type.
func Allow(patterns []string) (func(live.Key) bool, error) {
	all := false
	keys := make(map[live.Key]bool, len(patterns)) // with the id "*": all entities of the type
	for _, p := range patterns {
		if p == everything {
			all = true
			continue
		}
		k, rule := keyOf(p)
		if rule != "" {
			return nil, &PatternError{p, rule}
		}
		keys[k] = true
	}
	return func(k live.Key) bool {
		return all || keys[k] || keys[live.Key{Org: k.Org, Type: k.Type, ID: live.Any}]
	}, nil
}

// keyOf returns the key that a pattern names, or the rule that it breaks.
func keyOf(pattern string) (k live.Key, rule string) {
	written := strings.Split(pattern, "/")
	var parts []string
	for _, w := range written {
		part, err := url.PathUnescape(w)
		if err != nil {
			return k, "a per cent sign in a part is written %25"
		}
		parts = append(parts, part)
	}
	switch len(parts) {
	case 2:
		k = live.Key{Org: live.DefaultOrg, Type: parts[0], ID: parts[1]}
	case 3:
		k = live.Key{Org: parts[0], Type: parts[1], ID: parts[2]}
	default:
		return k, formRule
	}
	switch {
	case k.Org == "" || k.Type == "":
		return k, formRule
	case k.Org == live.Any || k.Type == live.Any:
		return k, "only the id may be *, or the whole pattern"
	case k.ID == live.Any && written[len(written)-1] != live.Any:
		return k, `no entity has the id "*"`
	}
	return k, ""
}
