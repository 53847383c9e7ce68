package list_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
