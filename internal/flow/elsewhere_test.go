package flow

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// Where another process wrote something that is no record, the versions of what is in the
// store are compared, but not those of records, of which there may be many, nor those of
// other services, which would be called.
func TestWhatIsComparedAfterWritesOfOthers(t *testing.T) {
	t.Parallel()
	f := New(Options{Resolver: func(k live.Key) live.Resolver {
		if k.Type == "theirs" {
			return ownResolver{}
		}
		return nil
	}})
	for _, c := range []struct {
		key            live.Key
		stored, record bool
	}{
		{live.KeyOf("items", "1"), true, true},
		{live.KeyOf("acme/items", "1"), true, true},
		{live.KeyOf("acme/drafts", "1"), true, true},
		{live.KeyOf("drafts", "1"), true, false},
		{live.KeyOf("task-lists", "1"), true, false},
		{live.KeyOf("task-list-sessions", "1"), true, false},
		{live.KeyOf("headgate/gates", "1"), true, false},
		{live.KeyOf("headgate/theirs", "1"), true, false},
		{live.KeyOf("theirs", "1"), false, true},
	} {
		require.Equal(t, c.stored, f.stored(c.key), c.key)
		require.Equal(t, c.record, isRecord(c.key), c.key)
	}
}
