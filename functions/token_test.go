package functions

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

// A caller with an invalid token is told that, and not that a token is needed.
func TestATokenThatIsNotValid(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"live":{"token":{"secret":"`+strings.Repeat("s", 32)+`","audience":"headgate"}}`))
	for path, detail := range map[string]string{"/live?entity=items&id=1": "is needed", "/live?entity=items&id=1&access_token=x": "is not valid", "/ws/entity-sync/?access_token=x": "is not valid"} {
		a := g.do("GET", path, "")
		requireProblem(t, a, 401, detail)
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
		require.NotContains(t, a.raw, "jose")
	}
}

// Every way to show a token accepts the same spellings of its scheme.
func TestSpellingsOfBearer(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 32)
	sum := sha256.Sum256([]byte("t"))
	guarded := newGateway(t, oneService(fmt.Sprintf(`,"auth":{"tokens":[{"name":"a","sha256":%q,"roles":["read"]}]},
		"hooks":[{"name":"h","verify":{"type":"bearer","secrets":["t"]},"event":{"eventKey":"entry1"}}]`, hex.EncodeToString(sum[:]))))
	live := newGateway(t, oneService(`,"live":{"token":{"secret":"`+secret+`","audience":"headgate"}}`))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)}, nil)
	require.NoError(t, err)
	token, err := jwt.Signed(signer).Claims(map[string]any{"aud": "headgate", "exp": live.clock().Add(time.Hour).Unix(), "entities": []string{"*"}}).Serialize()
	require.NoError(t, err)
	for scheme, good := range map[string]bool{"Bearer ": true, "bearer ": true, "BEARER ": true, "Bearer  ": true, "bEARER \t": true, "Bearer": false, "Basic ": false, "": false} {
		for name, status := range map[string]int{
			"auth":       guarded.do("GET", "/status", "", "Authorization", scheme+"t").status,
			"a hook":     guarded.do("POST", "/hooks/h", "{}", "Authorization", scheme+"t").status,
			"the socket": guarded.plain("GET", "/ws/entity-sync/", "", "Authorization", scheme+"t").status,
			"live.token": live.plain("GET", "/ws/entity-sync/", "", "Authorization", scheme+token).status,
		} {
			require.Equal(t, good, status != 401, "%q: %s answers %d", scheme, name, status)
		}
	}
}

// The answer to a token that is signed and names an entity wrongly says what is wrong, on both
// transports.
func TestTokenWithAPatternThatNamesNothing(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 32)
	g := newGateway(t, oneService(`,"live":{"token":{"secret":"`+secret+`","audience":"headgate"}}`))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)}, nil)
	require.NoError(t, err)
	token, err := jwt.Signed(signer).Claims(map[string]any{"aud": "headgate", "exp": g.clock().Add(time.Hour).Unix(), "entities": []string{"repos/a/b/c"}}).Serialize()
	require.NoError(t, err)
	for _, path := range []string{"/live?entity=items&id=1", "/ws/entity-sync/"} {
		requireProblem(t, g.do("GET", path, "", "Authorization", "Bearer "+token), 403, `"repos/a/b/c"`, "%2F")
	}
}

func TestWhoMaySync(t *testing.T) {
	t.Parallel()
	sum := func(s string) string { b := sha256.Sum256([]byte(s)); return hex.EncodeToString(b[:]) }
	g := newGateway(t, oneService(`,"auth":{"tokens":[
		{"name":"reader","sha256":"`+sum("r")+`","roles":["read"]},{"name":"operator","sha256":"`+sum("o")+`","roles":["operate","read"]}]}`))
	for _, c := range []struct {
		token, method, path string
		status              int
	}{
		{"", "GET", "/sync", 401},
		{"r", "GET", "/sync", 200},
		{"r", "POST", "/sync", 403},
		{"o", "POST", "/sync", 400},
		{"r", "GET", "/orgs/a/b", 200},
		{"r", "PUT", "/orgs/a/b/c", 403},
		{"r", "POST", "/sync/due", 403},
		{"o", "POST", "/sync/due", 200},
		{"r", "POST", "/sync/message", 403},
	} {
		a := g.do(c.method, c.path, "", "Authorization", "Bearer "+c.token)
		require.Equal(t, c.status, a.status, "%s %s as %q: %s", c.method, c.path, c.token, a.raw)
	}
}
