package mapping_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A null field of any type becomes a null column.
func TestUnmapNull(t *testing.T) {
	t.Parallel()
	m := compile(t, "thing", `{"fields":{"s":{"from":"a","type":"string"},"t":{"from":"b","type":"time","format":"unix"},"n":{"from":"c","type":"number"}}}`)
	row, reject := m.Unmap(map[string]any{"s": nil, "t": nil, "n": nil})
	require.Nil(t, reject)
	require.Equal(t, map[string]any{"a": nil, "b": nil, "c": nil}, row)
}
