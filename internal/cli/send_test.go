package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A receipt says what became of an event that is in no window.
func TestReceiptsInWords(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]sendAnswer{
		"not stored: the filter of order is false for it":                      {EventKey: "order", Filtered: true},
		"not stored: it has no correlation key":                                {Dropped: "noKey"},
		"not stored: its window has closed":                                    {Dropped: "late"},
		"not stored: no route of the feed takes it":                            {Dropped: "noRoute"},
		"event 7: stored before, counts once":                                  {ID: "7", Duplicate: true},
		"event 7: stored, goes to the dead letters because of correlation.key": {ID: "7", DeadLetter: "correlation.key"},
		"event 7: stored, another event counts in its place":                   {ID: "7", Superseded: true},
		"event 7: stored": {ID: "7"},
	} {
		var out strings.Builder
		require.NoError(t, printReceipt(&out, &a))
		require.Equal(t, want+"\n", out.String())
	}
}
