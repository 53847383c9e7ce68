package condition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/gate/condition"
)

var names = []string{"orders", "refunds", "stock", "prices", "customers", "a b/c"}

func TestWordsAndText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"orders": {"orders", "orders"},
		"(orders||refunds)&&atLeast( 2 ,stock, prices,customers)": {"(orders || refunds) && atLeast(2, stock, prices, customers)", "(orders or refunds) and at least 2 of stock, prices, customers"},
		`orders && endpoint("a b/c")`:                             {`orders && endpoint("a b/c")`, "orders and a b/c"},
		"orders || refunds && stock":                              {"orders || (refunds && stock)", "orders or (refunds and stock)"},
		`endpoint("orders")`:                                      {"orders", "orders"},
		"atLeast(1, orders && stock, ((prices)))":                 {"atLeast(1, orders && stock, prices)", "at least 1 of (orders and stock), prices"},
	} {
		c, err := condition.Parse(text, names)
		require.NoError(t, err, text)
		require.Equal(t, want[0], c.String())
		require.Equal(t, want[1], c.Words())
		again, err := condition.Parse(c.String(), names)
		require.NoError(t, err)
		require.Equal(t, c.String(), again.String())
	}
	require.Equal(t, "orders and stock", condition.All([]int{0, 2}, names).Words())
}

func TestFaultsHaveTheirPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		offset  int
		message string
	}{
		"":                      {0, "an endpoint is expected, not the end"},
		"orders &&":             {9, "an endpoint is expected, not the end"},
		"orders stock":          {7, `"stock" is not expected here`},
		"order && stock":        {0, `there is no endpoint "order"`},
		"!orders":               {0, "there is no negation"},
		"(orders":               {7, `")" is expected, not the end`},
		"orders)":               {6, `')' is not expected here`},
		"atLeast(orders)":       {8, "a number is expected"},
		"atLeast(0, orders)":    {0, "always true"},
		"atLeast(2, orders)":    {0, "never true"},
		"least(2, orders)":      {0, `there is no function "least"`},
		"endpoint(orders)":      {9, "a name in quotes is expected"},
		`endpoint("orders`:      {9, "a name in quotes is expected"},
		`stock && endpoint("")`: {18, `there is no endpoint ""`},
		strings.Repeat("(", 40): {32, "more than 32 levels"},
		strings.Repeat("é", 9):  {0, "'é'"},
	} {
		_, err := condition.Parse(text, names)
		var fault *condition.SyntaxError
		require.ErrorAs(t, err, &fault, text)
		require.Contains(t, fault.Message, want.message, text)
		require.Equal(t, want.offset, fault.Offset, text)
	}
	_, err := condition.Parse(strings.Repeat(" ", 10_001), names)
	require.ErrorContains(t, err, "10000 is the most")
}

func TestMissing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		lack []int
		want [][]int
	}{
		{"orders && stock", []int{0, 0, 0, 0, 0, 0}, nil},
		{"orders && stock", []int{1, 0, 2, 0, 0, 0}, [][]int{{0, 2}}},
		{"orders || refunds", []int{3, 2, 0, 0, 0, 0}, [][]int{{1}, {0}}},
		{"(orders || refunds) && atLeast(2, stock, prices, customers)", []int{0, 1, 1, 5, 1, 0}, [][]int{{2, 4}, {2, 3}, {3, 4}}},
		{"(orders || orders && stock)", []int{1, 0, 1, 0, 0, 0}, [][]int{{0}}},
	} {
		c, err := condition.Parse(tt.text, names)
		require.NoError(t, err)
		require.Equal(t, tt.want, c.Missing(tt.lack), tt.text)
	}
}

// A hostile condition ends, and still names a set that completes it.
func TestMissingIsBounded(t *testing.T) {
	t.Parallel()
	many := make([]string, 100)
	lack := make([]int, 100)
	for i := range many {
		many[i], lack[i] = fmt.Sprint("e", i), 1+i%3
	}
	c, err := condition.Parse("atLeast(50, "+strings.Join(many, ", ")+")", many)
	require.NoError(t, err)
	sets := c.Missing(lack)
	require.NotEmpty(t, sets)
	require.LessOrEqual(t, len(sets), 8)
	require.Len(t, sets[0], 50)
	require.True(t, c.Holds(func(i int) bool { return slices.Contains(sets[0], i) }))
}

// conditions draws the text of a condition.
func conditions(r *rapid.T, depth int) string {
	switch pick := rapid.IntRange(0, 3).Draw(r, "operator"); {
	case depth == 0 || pick == 0:
		return rapid.SampledFrom([]string{"orders", "refunds", "stock", "prices", "customers", `endpoint("a b/c")`}).Draw(r, "name")
	case pick == 3:
		n := rapid.IntRange(1, 4).Draw(r, "arguments")
		args := make([]string, n)
		for i := range args {
			args[i] = conditions(r, depth-1)
		}
		return fmt.Sprintf("atLeast(%d, %s)", rapid.IntRange(1, n).Draw(r, "least"), strings.Join(args, ", "))
	default:
		return "(" + conditions(r, depth-1) + []string{"", " && ", " || "}[pick] + conditions(r, depth-1) + ")"
	}
}

// The model tries every subset of the endpoints.
func TestMissingAgainstAllSubsets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		c, err := condition.Parse(conditions(r, 3), names)
		require.NoError(r, err)
		require.False(r, c.Always())
		require.False(r, c.Never())
		lack := rapid.SliceOfN(rapid.IntRange(0, 3), len(names), len(names)).Draw(r, "lack")
		completes := func(set []int) bool {
			return c.Holds(func(i int) bool { return lack[i] == 0 || slices.Contains(set, i) })
		}
		weight := func(set []int) (sum int) {
			for _, i := range set {
				sum += lack[i]
			}
			return sum
		}
		least := -1
		for bits := range 1 << len(names) {
			var set []int
			for i := range names {
				if bits&(1<<i) != 0 {
					set = append(set, i)
				}
			}
			if completes(set) && (least < 0 || weight(set) < least) {
				least = weight(set)
			}
		}
		sets := c.Missing(lack)
		if completes(nil) {
			require.Nil(r, sets)
			return
		}
		require.Equal(r, least, weight(sets[0]), "the first set is the smallest")
		for _, set := range sets {
			require.True(r, completes(set))
			for i := range set {
				require.False(r, completes(slices.Delete(slices.Clone(set), i, i+1)), "no endpoint is too many")
			}
		}
	})
}

// A further event never makes a complete window incomplete, and the text is read back alike.
func TestConditionsAreMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		c, err := condition.Parse(conditions(r, 3), names)
		require.NoError(r, err)
		again, err := condition.Parse(c.String(), names)
		require.NoError(r, err)
		has := rapid.SliceOfN(rapid.Bool(), len(names), len(names)).Draw(r, "has")
		before := c.Holds(func(i int) bool { return has[i] })
		require.Equal(r, before, again.Holds(func(i int) bool { return has[i] }))
		has[rapid.IntRange(0, len(names)-1).Draw(r, "one more")] = true
		if before {
			require.True(r, c.Holds(func(i int) bool { return has[i] }))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("(orders || refunds) && atLeast(2, stock, prices, customers)")
	f.Add(`endpoint("a\u0020b/c") && !x`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := condition.Parse(text, names)
		if err != nil {
			var fault *condition.SyntaxError
			require.ErrorAs(t, err, &fault)
			require.True(t, fault.Offset >= 0 && fault.Offset <= len(text))
			return
		}
		again, err := condition.Parse(c.String(), names)
		require.NoError(t, err)
		require.Equal(t, c.String(), again.String())
	})
}
