package credential_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/credential"
)

func TestManaged(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"sm://projects/p/secrets/s":                              "projects/p/secrets/s/versions/latest",
		"sm://projects/p/secrets/s/versions/latest":              "projects/p/secrets/s/versions/latest",
		"sm://projects/example.com:p-1/secrets/S_-1/versions/12": "projects/example.com:p-1/secrets/S_-1/versions/12",
		"sm://projects/p/secrets/s/versions/":                    "",
		"sm://projects/p/secrets/s/":                             "",
		"sm://projects/p/secrets/s?x=1":                          "",
		"sm://projects/p/secrets/../s":                           "",
		"sm://projects/../secrets/s":                             "",
		"sm://projects//secrets/s":                               "",
		"sm://projects/p/secrets/s\nx":                           "",
		"sm://":                                                  "",
		"projects/p/secrets/s":                                   "",
		"env:projects/p/secrets/s":                               "",
		"":                                                       "",
	} {
		name, ok := credential.Managed(in)
		require.Equal(t, want, name, in)
		require.Equal(t, want != "", ok, in)
	}
}

func TestIsReference(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{"env:A": true, "sm://x": true, "ENV:A": false, "hunter2": false, "": false} {
		require.Equal(t, want, credential.IsReference(in), in)
	}
	require.True(t, credential.IsManaged("sm://x"))
	require.False(t, credential.IsManaged("env:A"))
}
