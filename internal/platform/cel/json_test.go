package cel_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/cel"
)

// same compares a value with what encoding/json decodes.
func same(t *testing.T, want any, got ref.Val) {
	switch want := want.(type) {
	case nil:
		require.Equal(t, types.NullValue, got)
	case bool:
		require.Equal(t, types.Bool(want), got)
	case string:
		require.Equal(t, types.String(want), got)
	case json.Number:
		switch got := got.(type) {
		case types.Int:
			n, err := strconv.ParseInt(want.String(), 10, 64)
			require.NoError(t, err)
			require.Equal(t, n, int64(got))
		case types.Uint:
			require.Greater(t, uint64(got), uint64(math.MaxInt64))
			require.Equal(t, want.String(), strconv.FormatUint(uint64(got), 10))
		case types.Double:
			f, err := want.Float64()
			require.NoError(t, err)
			require.Equal(t, f, float64(got))
		default:
			require.Equal(t, types.String(want.String()), got)
		}
	case []any:
		list := got.(traits.Lister)
		require.Equal(t, types.Int(len(want)), list.Size())
		for i, w := range want {
			same(t, w, list.Get(types.Int(i)))
		}
	case map[string]any:
		object := got.(traits.Mapper)
		for name, w := range want {
			v, ok := object.Find(types.String(name))
			require.True(t, ok, name)
			same(t, w, v)
			require.Equal(t, types.True, object.Contains(types.String(name)))
		}
		require.Equal(t, types.Int(len(want)), object.Size())
		names := 0
		for it := object.Iterator(); it.HasNext() == types.True; names++ {
			require.Contains(t, want, string(it.Next().(types.String)))
		}
		require.Len(t, want, names)
		require.Equal(t, types.True, object.Equal(got))
	default:
		require.Fail(t, "unknown")
	}
}

// FuzzJSON compares with encoding/json: what is JSON, and what each value is.
func FuzzJSON(f *testing.F) {
	members := make(map[string]int)
	for i := range 100 {
		members[strconv.Itoa(i)] = i
	}
	large, _ := json.Marshal(map[string]any{"many": members, "one": map[string]any{"of": []any{members}}})
	f.Add(large)
	for _, s := range []string{
		`{"a":1,"a":2,"\u0061":[1,2.5,-0,-0.0,1e3,1E+2,1e-7],"":{}}`, `[]`, ` [ 1 , "x" ] `, "\"\xff\\ud800\"", `"\ud83d\ude00"`, `18446744073709551615`, `123456789012345678901234567890`,
		`1e999`, `01`, `-`, `1.`, `.5`, `1e`, `tru`, `nulll`, `[1,]`, `{"a"}`, `{"a":1,}`, `{1:2}`, `"a`, "\"\n\"", `"\x"`, `"\u12g4"`, `[1}`, ``, ` `, `1 2`, `{} x`, "\xff", "\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, err := oneJSON(data)
		got, failed := cel.JSON(bytes.Clone(data))
		if failed != nil {
			if err == nil { // the only reason is a number that no float64 holds
				require.ErrorContains(t, failed, "a number is out of range")
				var v any
				require.Error(t, json.Unmarshal(data, &v))
			}
			return
		}
		require.NoError(t, err)
		same(t, want, got)
	})
}

// oneJSON returns the value that data has, with its numbers as they are written. Bytes that are
// no text become U+FFFD, as in an expression over an event.
func oneJSON(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func TestDepthOfJSON(t *testing.T) {
	t.Parallel()
	for depth, valid := range map[int]bool{10_000: true, 10_001: false} {
		for _, text := range []string{strings.Repeat("[", depth) + strings.Repeat("]", depth), strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)} {
			require.Equal(t, valid, json.Valid([]byte(text)))
			_, err := cel.JSON([]byte(text))
			require.Equal(t, valid, err == nil)
		}
	}
}
