package definition_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/definition"
)

// The headers of an adapter are credentials as those of any call are.
func TestHeadersOfAnAdapterAreRedacted(t *testing.T) {
	t.Parallel()
	s, err := definition.Decode([]byte(`{"orgId":"o","type":"both","datasource":{"type":"mine","url":"https://x","options":{"adapter":{"push":{"headers":{"X-Odd":"s3cret-value"},"path":"/p"}}}}}`))
	require.NoError(t, err)
	shown := string(s.Redact().Datasource.Options)
	require.NotContains(t, shown, "s3cret-value")
	require.Contains(t, shown, "/p")
}
