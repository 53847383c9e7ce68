package sqlitestore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

func FuzzLists(f *testing.F) {
	for _, lists := range [][]event.List{nil, {{}}, {{Key: "k", Send: "all", Included: []store.Member{{ID: event.RandomID(), Size: 7}}}}} {
		b, err := encodeLists(lists)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte{listsFormat, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		lists, err := decodeLists(b) // must neither panic nor allocate more than its input
		if err != nil {
			return
		}
		again, err := encodeLists(lists)
		require.NoError(t, err)
		twice, err := decodeLists(again)
		require.NoError(t, err)
		require.Equal(t, lists, twice)
	})
}
