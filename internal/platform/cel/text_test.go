package cel_test

import (
	"math"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/cel"
)

func TestText(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]ref.Val{
		"a": types.String("a"), "true": types.True, "-7": types.Int(-7), "18446744073709551615": types.Uint(math.MaxUint64),
		"1.5": types.Double(1.5), "0": types.Double(math.Copysign(0, -1)), "1000000000000000000000": types.Double(1e21), "0.0000001": types.Double(1e-7),
	} {
		got, err := cel.Text(v)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for want, v := range map[string]ref.Val{
		"it gives null": types.NullValue, "it gives bytes": types.Bytes("a"), "it gives a timestamp": types.Timestamp{}, "not finite": types.Double(math.NaN()),
	} {
		_, err := cel.Text(v)
		require.ErrorContains(t, err, want)
	}
}

// JSON of different bytes never gives the same text.
func TestTextNamesOneThing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`"\ud800"`, `"\ud801"`, `"order \udfff"`, "\"\xff\"", "\"\xfe\"", `"\ufffd"`} {
		v, err := cel.JSON([]byte(body))
		require.NoError(t, err)
		_, err = cel.Text(v)
		require.ErrorContains(t, err, "U+FFFD", body)
	}
	v, err := cel.JSON([]byte(`"\ud83d\ude00"`))
	require.NoError(t, err)
	got, err := cel.Text(v)
	require.NoError(t, err)
	require.Equal(t, "😀", got)
}
