package shell_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/shell"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"projects/p/topics/t:1@x=a,b+c-e": "projects/p/topics/t:1@x=a,b+c-e",
		"":                                "''",
		"a b":                             "'a b'",
		"it's":                            `'it'\''s'`,
		"$(date)":                         "'$(date)'",
		"`date`":                          "'`date`'",
		"~/data":                          "'~/data'",
		"a\nb":                            "'a\nb'",
		"(default)":                       "'(default)'",
		"a*":                              "'a*'",
	} {
		require.Equal(t, want, shell.Quote(text))
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	require.Equal(t, "${REGION:?set it}", shell.Required("REGION", "set it"))
	require.Equal(t, "${REGION:?a \\$b}", shell.Required("REGION", "a $b"))
}
