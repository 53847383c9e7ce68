package exchange_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/exchange"
	"github.com/headgate/headgate/internal/sync/source"
)

func TestATableIsReadAndWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.source.rows = map[string]map[string]any{
		"a": {"id": "a", "name": "n", "value": int64(1)}, "b": {"id": "b", "name": "m"}, "bad": {"id": "bad", "value": "high"},
	}
	table := w.rows.Table("s", "item")
	seen, version, err := table.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, exchange.TableRows{"a": {"name": "n", "value": int64(1)}, "b": {"name": "m"}}, seen)

	rows := exchange.TableRows{"a": {"name": "changed", "value": int64(1)}, "c": {"name": "new"}}
	named, err := table.Write(t.Context(), rows, seen, version)
	require.NoError(t, err)
	require.Empty(t, named)
	require.Equal(t, 3, w.source.pushed)
	now, other, err := table.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, rows, now)
	require.NotEqual(t, version, other)

	_, err = table.Write(t.Context(), rows, seen, version)
	require.ErrorIs(t, err, source.ErrMoved, "the row has a newer version")
	require.Equal(t, 3, w.source.pushed)
	_, err = table.Write(t.Context(), exchange.TableRows{"a": {"name": "refused"}}, now, other)
	require.ErrorContains(t, err, "no such name")
	_, err = w.ents.Get(t.Context(), "acme", "item", "a")
	require.Equal(t, fault.NotFound, fault.CodeOf(err), "our records do not change")
}

func TestATableThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for sync, datatype := range map[string]string{"none": "item", "s": "other"} {
		_, _, err := w.rows.Table(sync, datatype).Read(t.Context())
		require.Equal(t, fault.NotFound, fault.CodeOf(err))
	}
}
