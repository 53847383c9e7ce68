package functions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who has a token that is not good is not told to have one.
func TestATokenThatIsNotGood(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"live":{"token":{"secret":"`+strings.Repeat("s", 32)+`","audience":"headgate"}}`))
	for path, detail := range map[string]string{"/live?entity=items&id=1": "is needed", "/live?entity=items&id=1&access_token=x": "is not good", "/ws/entity-sync/?access_token=x": "is not good"} {
		a := g.do("GET", path, "")
		requireProblem(t, a, 401, detail)
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
		require.NotContains(t, a.raw, "jose")
	}
}
