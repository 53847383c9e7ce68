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

// A null is not the same as no field.
func TestLacking(t *testing.T) {
	t.Parallel()
	m := compile(t, "thing", `{"fields":{"s":{"from":"a"},"t":{"from":"b","type":"time"},"c":{"const":1}}}`)
	require.Equal(t, []string{"b"}, m.Lacking(map[string]any{"s": nil}))
	require.Empty(t, m.Lacking(map[string]any{"s": "x", "t": nil}))
	require.Empty(t, compile(t, "thing", `{}`).Lacking(nil))
}
