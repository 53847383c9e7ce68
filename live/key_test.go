package live_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// No two keys have the same entity name and id.
func TestKeysAndNames(t *testing.T) {
	t.Parallel()
	for _, k := range []live.Key{
		{Org: "acme", Type: "items", ID: "1"}, {Org: "default", Type: "items", ID: "1"}, {Org: "default", Type: "acme/items", ID: "1"},
	} {
		require.Equal(t, k, live.KeyOf(k.Entity(), k.ID))
	}
	require.Equal(t, live.KeyOf("items", "1"), live.KeyOf("default/items", "1"))
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", strings.Repeat("x", 1000)} {
		require.NoError(t, live.KeyOf("items", id).Validate())
	}
	for _, k := range []live.Key{
		{}, live.KeyOf("", "1"), live.KeyOf("/items", "1"), live.KeyOf("acme/", "1"), live.KeyOf("items", live.Any),
		live.KeyOf("items", strings.Repeat("x", 1001)), live.KeyOf(strings.Repeat("x", 600), "1"),
	} {
		invalid, ok := errors.AsType[*live.KeyError](k.Validate())
		require.True(t, ok, "%v", k)
		require.Equal(t, k, invalid.Key)
		require.NotEmpty(t, invalid.Error())
	}
}
