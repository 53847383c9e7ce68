package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// The collection of an organisation's records names both, whatever characters they have.
func TestRecordTypeIsTheInverseOfRecordsOf(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"default", "items"}, {"a/b", "c d"}, {"ü%2F", "/"}, {"", ""}} {
		org, recordType, ok := store.RecordType(store.RecordsOf(c[0], c[1]))
		require.True(t, ok)
		require.Equal(t, c, [2]string{org, recordType})
	}
	for _, c := range []store.Collection{{Kind: "runs", Scope: "a/b"}, {Kind: "records", Scope: "a"}, {Kind: "records", Scope: "a/%zz"}} {
		_, _, ok := store.RecordType(c)
		require.False(t, ok, "%+v", c)
	}
}
