package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// With live.token alone, a line at start names everything that stays open to everybody. With
// auth there is no such line.
func TestStartSaysWhatIsOpen(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 32)
	token := `"live":{"token":{"secret":"` + secret + `","audience":"a"}}`
	auth := `,"auth":{"tokens":[{"name":"a","sha256":"` + strings.Repeat("0", 64) + `","roles":["read"]}]}`
	for config, want := range map[string]int{token: 1, token + auth: 0, `"live":{}`: 0} {
		p := start(t, options{env: []string{"CONFIG=" + with(service("s", "p"), config)}})
		var said []string
		for line := range strings.Lines(p.stderr.String()) {
			if strings.Contains(line, "level=WARN") && strings.Contains(line, "live.token") {
				said = append(said, line)
			}
		}
		require.Len(t, said, want, config)
		require.NotContains(t, p.stderr.String(), secret)
		if want == 1 {
			require.Contains(t, said[0], "/orgs")
		}
	}
}
