package functions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/webhook/list"
)

// A list that the configuration may name is one that a session may open, and no longer id is.
func TestConfiguredListsAreLists(t *testing.T) {
	t.Parallel()
	for n, valid := range map[int]bool{list.MaxID: true, list.MaxID + 1: false} {
		id := strings.Repeat("l", n)
		_, err := config.Parse([]byte(oneService(`,"echo":{"upstream":"https://source.example.com","lists":["` + id + `"]}`)))
		require.Equal(t, valid, err == nil, "%d bytes: %v", n, err)
	}
}
