package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A message for several targets shows what became of it at each, and no error beside that.
func TestMessagesShowTheirTargets(t *testing.T) {
	t.Parallel()
	var a messagesAnswer
	require.NoError(t, json.Unmarshal([]byte(`{"messages":[{"eventID":"e1","state":"claimed","numberOfEvents":2,"lastError":"load answers 503",
		"targets":[{"name":"bus","state":"delivered"},{"name":"load","state":"pending","lastError":"load answers 503"}]}]}`), &a))
	var out strings.Builder
	require.NoError(t, (&Process{}).printMessages(&out, &a))
	require.Equal(t, "event id  state  events  targets\ne1  claimed  2  bus delivered, load pending (load answers 503)\n", spaces.ReplaceAllString(out.String(), "  "))
	require.Contains(t, messageLine(&a.Messages[0]), "  targets bus delivered, load pending (load answers 503)")
	require.NotContains(t, messageLine(&a.Messages[0]), "error:")
}
