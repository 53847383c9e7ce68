package csvsource

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func requireJSON(t *testing.T, want []byte, got any) {
	t.Helper()
	b, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(b))
}
