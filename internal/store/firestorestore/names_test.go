package firestorestore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

func FuzzDocID(f *testing.F) {
	for _, s := range []string{"a", "x/y", ".", "..", "__x__", "%2F", "/", "~", ":", "é", strings.Repeat("n", 2000)} {
		f.Add(s, "a/b")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			return
		}
		x, y := docID(a), docID(b)
		require.Equal(t, a == b, x == y, "%q %q", a, b)
		require.LessOrEqual(t, len(x), longName)
		require.NotContains(t, x, "/")
		require.NotContains(t, x, ":")
		require.NotContains(t, []string{".", ".."}, x)
		require.False(t, strings.HasPrefix(x, "__"))
	})
}

func TestPointersOfShardsAndEndpointsAreApart(t *testing.T) {
	t.Parallel()
	s := openStore(t, "nobody-is-called", option.WithoutAuthentication())
	seen := map[string]string{}
	ref := event.Ref{ID: event.RandomID(), Size: 77}
	for _, service := range []string{"a", "b", "a:b", strings.Repeat("long", 100)} {
		for _, key := range []string{"k", "k~1", "1", "k:1", strings.Repeat("long", 101)} {
			for i, col := range s.shards(store.Endpoint{Service: service, Key: key, Shards: 3}) {
				require.Empty(t, seen[col.Path], "%s %s %d", service, key, i)
				seen[col.Path] = service + key
			}
		}
	}
	got, err := parsePointer(s.pointer(s.shards(store.Endpoint{Service: "s", Key: "k"}), ref).ID)
	require.NoError(t, err)
	require.Equal(t, ref.ID, got.ID)
	require.Equal(t, ref.Size, got.Size)
	require.True(t, ref.ReceivedAt.Equal(got.ReceivedAt))
	for _, bad := range []string{"", "x", "a.b", "a.!.1", "a.1.!"} {
		_, err := parsePointer(bad)
		require.Error(t, err, bad)
	}
}
