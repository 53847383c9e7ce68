package list_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/webhook/list"
)

func newStore(t *testing.T) list.Store {
	t.Helper()
	st := drivertest.SQLite(t)
	return list.NewStore(st)
}

// A list is behind from a new version until that version is fanned out, even if the
// process dies in between.
func TestBehind(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	l, err := s.Read(t.Context(), "l")
	require.NoError(t, err)
	require.Zero(t, l.Version)
	l.Version, l.Data, l.ReceivedAt = 1, []byte(`{}`), time.Unix(1, 0)
	require.NoError(t, s.Commit(t.Context(), l))
	behind, err := s.Behind(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"l"}, behind)

	l, err = s.Read(t.Context(), "l")
	require.NoError(t, err)
	l.Fanned = 1
	require.NoError(t, s.Commit(t.Context(), l))
	behind, err = s.Behind(t.Context())
	require.NoError(t, err)
	require.Empty(t, behind)
}

func TestCommitOfAListThatChanged(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	first, err := s.Read(t.Context(), "l")
	require.NoError(t, err)
	second, err := s.Read(t.Context(), "l")
	require.NoError(t, err)
	first.Version, second.Version = 1, 1
	require.NoError(t, s.Commit(t.Context(), first))
	require.ErrorIs(t, s.Commit(t.Context(), second), store.ErrConflict)
}

func TestEncodeDoesNotEscape(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"<&>"`, string(list.Encode("<&>")))
}

// A list of any size is stored and read again whole, whichever store it is in. A list that
// is small again is in its own document.
func TestLargeLists(t *testing.T) {
	t.Parallel()
	drivertest.Each(t, func(t *testing.T, docs drivertest.Store) {
		s := list.NewStore(docs)
		read := func() *list.List {
			l, err := s.Read(t.Context(), "l")
			require.NoError(t, err)
			return l
		}
		for i, size := range []int{10, 512 << 10, 512<<10 + 1, 7_000_001, 25 << 20, 20} {
			data := []byte(`"` + strings.Repeat(string(rune('a'+i)), size-2) + `"`)
			l := read()
			l.Version, l.Data, l.Large, l.ReceivedAt = l.Version+1, data, nil, time.Now()
			require.NoError(t, s.Commit(t.Context(), l))
			l = read()
			require.EqualValues(t, i+1, l.Version)
			require.Equal(t, size > 512<<10, l.Large != nil)
			got := l.Data
			if l.Large != nil {
				require.Empty(t, l.Data)
				var err error
				got, err = s.Load(t.Context(), l.Large)
				require.NoError(t, err)
			}
			require.Equal(t, len(data), len(got), size)
			require.True(t, bytes.Equal(data, got), size)
			l.Fanned = l.Version
			require.NoError(t, s.Commit(t.Context(), l), "without its data")
		}
		_, err := s.Load(t.Context(), &list.Large{Digest: "none", Parts: 1})
		require.Equal(t, fault.NotFound, fault.CodeOf(err))
	})
}
