package record_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/record"
)

func canonical(t require.TestingT, v any) string {
	b, err := record.Canonical(v)
	require.NoError(t, err, "%v", v)
	return string(b)
}

// The samples of RFC 8785, appendix B, and values that people measure: they are shown as
// they were written, not as 1.2345675e+06.
func TestNumbersAreSpelledAsInJavaScript(t *testing.T) {
	t.Parallel()
	for bits, want := range map[uint64]string{
		0x0000000000000000: "0",
		0x8000000000000000: "0",
		0x0000000000000001: "5e-324",
		0x8000000000000001: "-5e-324",
		0x7fefffffffffffff: "1.7976931348623157e+308",
		0xffefffffffffffff: "-1.7976931348623157e+308",
		0x4340000000000000: "9007199254740992",
		0xc340000000000000: "-9007199254740992",
		0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22",
		0x44b52d02c7e14af6: "1e+23",
		0x44b52d02c7e14af7: "1.0000000000000001e+23",
		0x444b1ae4d6e2ef4e: "999999999999999700000",
		0x444b1ae4d6e2ef4f: "999999999999999900000",
		0x444b1ae4d6e2ef50: "1e+21",
		0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7",
		0x3eb0c6f7a0b5ed8d: "0.000001",
		0x41b3de4355555553: "333333333.3333332",
		0x41b3de4355555557: "333333333.33333343",
		0xbecbf647612f3696: "-0.0000033333333333333333",
		0x43143ff3c1cb0959: "1424953923781206.2",
	} {
		f := math.Float64frombits(bits)
		require.Equal(t, want, canonical(t, f))
		require.Equal(t, want, canonical(t, json.Number(strconv.FormatFloat(f, 'e', -1, 64))), "the same as text")
	}
	for in, want := range map[string]string{
		"1234567.5":                   "1234567.5",
		"0.0000875":                   "0.0000875",
		"-12345678901234567890.50":    "-12345678901234567890.5",
		"123456789012345678901.0":     "123456789012345678901",
		"1234567890123456789012":      "1.234567890123456789012e+21",
		"0.10000000000000000000001e1": "1.0000000000000000000001",
		"1e400":                       "1e+400",
		"10.0E+399":                   "1e+400",
		"1e-5000":                     "1e-5000",
		"0.1E-4999":                   "1e-5000",
		"-0.000e9999":                 "0",
		"0e99999999999999999999":      "0",
	} {
		require.Equal(t, want, canonical(t, json.Number(in)), in)
	}
}

// numberText draws a JSON number in one of its many spellings.
func numberText(t *rapid.T, label string) string {
	return rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?`).Draw(t, label)
}

func exactly(t require.TestingT, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	require.True(t, ok, s)
	return r
}

// Numbers stay exact, and equal numbers get the same spelling.
func TestNumbersAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := numberText(t, "number")
		got := canonical(t, json.Number(in))
		require.Zero(t, exactly(t, in).Cmp(exactly(t, got)), "%s became %s", in, got)
		require.Equal(t, got, canonical(t, json.Number(got)), "and stays")

		data, err := record.Decode([]byte(`{"n":` + in + `}`))
		require.NoError(t, err)
		require.Equal(t, `{"n":`+got+`}`, canonical(t, data), "%s as %T", in, data["n"])

		shift := rapid.IntRange(0, 30).Draw(t, "shift")
		scaled := exactly(t, in)
		scaled.Mul(scaled, exactly(t, "1e"+strconv.Itoa(shift)))
		if scaled.IsInt() {
			require.Equal(t, canonical(t, json.Number(scaled.Num().String())), canonical(t, json.Number(shiftText(t, got, shift))), "%s * 10^%d", in, shift)
		}
	})
}

// shiftText multiplies a number by a power of ten, in its exponent.
func shiftText(t *rapid.T, s string, by int) string {
	exp := 0
	for i := range len(s) {
		if s[i] == 'e' {
			n, err := strconv.Atoi(s[i+1:])
			require.NoError(t, err)
			s, exp = s[:i], n
			break
		}
	}
	return s + "E" + strconv.Itoa(exp+by)
}

func TestFloatsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "float")
		text := canonical(t, f)
		back, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		require.InDelta(t, f, back, 0, text)
		require.Equal(t, text, canonical(t, json.Number(text)))
	})
}

func TestInvalidNumbers(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "-", "01.5", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "1 ", "1_0", "1e5e5", "1e1.5", "1e_1", "١", "1e9999999999", "1e99999999999999999999", "1e-99999999999999999999"} {
		_, err := record.Canonical(json.Number(s))
		require.ErrorContains(t, err, "is not a number", "%q", s)
	}
}

// A number has one spelling, for each Go type that it may be decoded to.
func TestNumbersHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for _, same := range [][]any{
		{1, int64(1), uint64(1), 1.0, json.Number("1"), json.Number("1.0"), json.Number("1e0"), json.Number("10e-1")},
		{0.1, json.Number("0.1"), json.Number("1e-1"), json.Number("0.100")},
		{1e21, json.Number("1e21"), json.Number("1000000000000000000000")},
		{math.Copysign(0, -1), 0, json.Number("-0.0")},
	} {
		first, err := record.Canonical(same[0])
		require.NoError(t, err)
		for _, v := range same {
			got, err := record.Canonical(v)
			require.NoError(t, err)
			require.Equal(t, string(first), string(got), "%T %v", v, v)
		}
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0.0e1", "1e21", "123456789012345678901234567890", "0.000001", "1E-7", "9007199254740993.0",
		"10E1000000000", "0.01e-1000000000", "1" + strings.Repeat("2", 380), "0." + strings.Repeat("3", 390) + "e-99999999", strings.Repeat("1", 369) + "e-1000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := record.Canonical(json.Number(s))
		if err != nil {
			return
		}
		require.True(t, json.Valid(got), "%q became %s", s, got)
		again, err := record.Canonical(json.Number(got))
		require.NoError(t, err)
		require.Equal(t, string(got), string(again))
		if json.Valid([]byte(s)) {
			data, err := record.Decode(fmt.Appendf(nil, `{"n":%s}`, s))
			require.NoError(t, err)
			text, err := record.Canonical(data["n"])
			require.NoError(t, err)
			require.Equal(t, string(got), string(text))
		}
	})
}

func BenchmarkNumbers(b *testing.B) {
	for name, v := range map[string]any{"float": 1234567.25, "number": json.Number("8.75"), "long": json.Number("12345678901234567890.25")} {
		b.Run(name, func(b *testing.B) {
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out, _ = record.AppendCanonical(out[:0], v)
			}
		})
	}
}
