package token_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/live/token"
	"github.com/headgate/headgate/live"
)

// A pattern of one organisation never matches an entity of another one, even if types or ids
// contain slashes.
func TestPatternsOfOneOrganisation(t *testing.T) {
	t.Parallel()
	keys := []live.Key{
		{Org: "acme", Type: "items", ID: "100"}, {Org: "acme", Type: "items", ID: "7"},
		{Org: "default", Type: "acme", ID: "items/100"}, {Org: "default", Type: "acme", ID: "items"},
		{Org: "default", Type: "acme/items", ID: "100"}, {Org: "acme", Type: "items/100", ID: ""},
		{Org: "default", Type: "default", ID: "items/100"}, {Org: "default", Type: "items", ID: "100"}, {Org: "acme", Type: "items", ID: ""},
	}
	for pattern, want := range map[string][]live.Key{
		"*":                      keys,
		"acme/items/100":         {keys[0]},
		"acme/items/*":           {keys[0], keys[1], keys[8]},
		"acme/items%2F100":       {keys[2]},
		"acme/items":             {keys[3]},
		"acme/*":                 {keys[2], keys[3]},
		"acme%2Fitems/100":       {keys[4]},
		"default/acme%2Fitems/*": {keys[4]},
		"acme/items%2f100/":      {keys[5]},
		"default/items/100":      {keys[7]},
		"items/*":                {keys[7]},
		"acme/items/":            {keys[8]},
	} {
		allowed, err := token.Allow([]string{"other/1", pattern})
		require.NoError(t, err, pattern)
		var got []live.Key
		for _, k := range keys {
			if allowed(k) {
				got = append(got, k)
			}
		}
		require.Equal(t, want, got, pattern)
	}
}

// Each entity has a pattern that allows it, and no other entity.
func TestPatternNamesOneEntity(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringOfN(rapid.SampledFrom([]rune("ab/%*")), 1, 4, -1).Filter(func(s string) bool { return s != "*" })
		key := func(name string) live.Key {
			return live.Key{Org: rapid.OneOf(rapid.Just(live.DefaultOrg), part).Draw(t, name+"org"), Type: part.Draw(t, name+"type"), ID: part.Draw(t, name+"id")}
		}
		one, other := key("one "), key("other ")
		pattern := url.PathEscape(one.Type) + "/" + url.PathEscape(one.ID)
		if one.Org != live.DefaultOrg {
			pattern = url.PathEscape(one.Org) + "/" + pattern
		}
		allowed, err := token.Allow([]string{pattern})
		if err != nil || !allowed(one) {
			t.Fatalf("%q does not allow %v: %v", pattern, one, err)
		}
		if one != other && allowed(other) {
			t.Fatalf("%q allows %v, too", pattern, other)
		}
	})
}

// A token with a pattern that names nothing is refused, with the pattern and the rule: its
// holder would otherwise wait for entities that the issuer meant to allow.
func TestPatternsThatNameNothing(t *testing.T) {
	t.Parallel()
	tokens := &token.Verifier{Secret: tokenSecret, Audience: "headgate", Now: func() time.Time { return tokenTime }}
	for pattern, rule := range map[string]string{
		"items": "type/id", "": "type/id", "/1": "type/id", "//1": "type/id", "a/b/c/d": "%2F", "items/5%": "%25",
		"*/1": "only the id", "acme/*/1": "only the id", "*/*": "only the id", "items/%2A": `"*"`,
	} {
		_, err := tokens.Verify(t.Context(), signed(t, jose.HS256, tokenSecret, "", map[string]any{"entities": []string{"items/1", pattern}}))
		var fault *token.PatternError
		require.ErrorAs(t, err, &fault, pattern)
		require.NotErrorIs(t, err, token.ErrInvalid)
		require.ErrorContains(t, err, rule, pattern)
	}
	_, err := token.Allow([]string{strings.Repeat("é", 500)})
	require.Less(t, len(err.Error()), 1000)
}
