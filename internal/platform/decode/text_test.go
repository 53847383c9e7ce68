package decode_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/decode"
)

// plain has every type that can be read, and no rule.
type plain struct {
	Text   string             `json:"text"`
	Whole  int                `json:"whole"`
	Real   float64            `json:"real"`
	Flag   *bool              `json:"flag"`
	List   []string           `json:"list"`
	Lists  [][]int            `json:"lists"`
	Names  map[string]float64 `json:"names"`
	Inner  *plain             `json:"inner"`
	Inners []plain            `json:"inners"`
	ByName map[string]plain   `json:"byName"`
	Raw    json.RawMessage    `json:"raw"`
	Any    any                `json:"any"`
	Anys   map[string]any     `json:"anys"`
}

// FuzzAsEncodingJSON compares with encoding/json, which refuses what this package does,
// and reads the same from what both take.
func FuzzAsEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{"text":"a\u00e9\ud83d\ude00\"\\","whole":-12,"real":1.5e3,"flag":true,"list":["a",""],"lists":[[1],[],null]}`,
		`{"names":{"a":1,"b":2e-7},"inner":{"inner":{"text":"x"}},"inners":[{},{"whole":1}],"byName":{"":{"flag":false}}}`,
		` { "raw" : [1, {"a" : null}] , "any" : 12345678901234567890 , "anys":{"a":[{}, [], "b"]} } `,
		`{"text":null,"list":null,"any":null,"raw":null,"flag":null,"names":null,"whole":null}`,
		`{"WHOLE":1,"Text":"x"}`, `{"whole":1.0}`, `{"whole":9223372036854775808}`, `{"real":1e999}`, `{"text":"` + "\xff" + `"}`, `{"text":"\ud800"}`,
		`{} {}`, `[]`, `null`, `{"a":1}`, `{"list":[1]}`, `{"names":{"a":"b"}}`, "{\"text\":\"\u2028\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if twice(data) {
			t.Skip("of a name that is given twice, encoding/json merges the values")
		}
		var theirs, ours plain
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		d.UseNumber()
		err := d.Decode(&theirs)
		if err == nil {
			err = decode.End(d)
		}
		faults := decode.Faults{AnyCase: true}
		faults.Decode("$", data, &ours)
		if err != nil {
			require.NotEmpty(t, faults.Details(), err)
			return
		}
		require.Empty(t, faults.Details())
		require.True(t, reflect.DeepEqual(theirs, ours), "%+v\n%+v", theirs, ours)
	})
}

// twice reports whether an object has names that are the same in some letter case.
func twice(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	var walk func() (twice, ok bool)
	walk = func() (bool, bool) {
		token, err := d.Token()
		if err != nil {
			return false, false
		}
		open, isDelim := token.(json.Delim)
		if !isDelim {
			return false, true
		}
		var seen []string
		for d.More() {
			if open == '{' {
				name, err := d.Token()
				if err != nil {
					return false, false
				}
				for _, s := range seen {
					if strings.EqualFold(s, name.(string)) {
						return true, true
					}
				}
				seen = append(seen, name.(string))
			}
			if twice, ok := walk(); twice || !ok {
				return twice, ok
			}
		}
		_, err = d.Token()
		return false, err == nil
	}
	found, _ := walk()
	return found
}

func TestOne(t *testing.T) {
	t.Parallel()
	v, err := decode.One([]byte(` {"a":[12345678901234567890,1.50,null,true]} `))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": []any{json.Number("12345678901234567890"), json.Number("1.50"), nil, true}}, v)
	for _, text := range []string{"", "1 2", "{}{}", "{} x", "[", "1]"} {
		_, err := decode.One([]byte(text))
		require.Error(t, err, text)
	}
	_, err = decode.One([]byte("1 2"))
	require.EqualError(t, err, "there is more than one JSON value")
}

// No depth of nesting takes the stack.
func TestDepth(t *testing.T) {
	t.Parallel()
	var p plain
	f := &decode.Faults{}
	f.Decode("$", []byte(strings.Repeat(`{"inner":`, 100_000)), &p)
	require.Len(t, f.Details(), 1)
	require.Contains(t, f.Details()[0].Message, "exceeded max depth")
	f = &decode.Faults{}
	f.Decode("$", []byte(strings.Repeat(`{"inner":`, 5_000)+"{}"+strings.Repeat("}", 5_000)), &p)
	require.Empty(t, f.Details())
}
