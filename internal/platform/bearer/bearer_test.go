package bearer_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/bearer"
)

func TestToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want    string
		headers []string
	}{
		{"t0ken", []string{"Bearer t0ken"}},
		{"t0ken", []string{"bearer t0ken"}},
		{"t0ken", []string{"BEARER t0ken"}},
		{"t0ken", []string{"Bearer  t0ken"}},
		{"t0ken", []string{" bEaReR \t t0ken \t"}},
		{"two words", []string{"Bearer two words"}},
		{"", nil},
		{"", []string{""}},
		{"", []string{"Bearer"}},
		{"", []string{"Bearer "}},
		{"", []string{"Bearer   "}},
		{"", []string{"t0ken"}},
		{"", []string{"Basic t0ken"}},
		{"", []string{"Bearert0ken"}},
		{"", []string{"Bearer\u00a0t0ken"}},
		{"", []string{"Bearer t0ken", "Bearer t0ken"}},
	} {
		token, ok := bearer.Token(http.Header{"Authorization": c.headers})
		require.Equal(t, c.want, token, "%q", c.headers)
		require.Equal(t, c.want != "", ok, "%q", c.headers)
	}
	h := http.Header{}
	bearer.Set(h, "t")
	token, ok := bearer.Token(h)
	require.True(t, ok)
	require.Equal(t, "t", token)
}
