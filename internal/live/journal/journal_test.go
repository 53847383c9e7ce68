package journal_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/live/journal"
	"github.com/headgate/headgate/live"
)

func TestTheLastHundredAreKept(t *testing.T) {
	t.Parallel()
	var j journal.Journal
	require.Equal(t, []journal.Entry{}, j.Newest(), "JSON shows an empty list, not null")
	for i := range 120 {
		j.Add(live.Delivery{Key: live.KeyOf("acme/items", fmt.Sprint(i)), Version: "7", Clients: 1})
	}
	entries := j.Newest()
	require.Len(t, entries, 100)
	require.Equal(t, journal.Entry{Entity: "acme/items", ID: "119", Version: "7", Clients: 1}, entries[0])
	require.Equal(t, "20", entries[99].ID)
}
