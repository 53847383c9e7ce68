package expression_test

import (
	"bytes"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/expression"
)

const largest = 8 << 20 // of config's maxEventBytes

// An expression is an operator's, the body is anybody's. Without the bounds, each of these
// would take minutes, or more memory than there is.
func TestLargeBodiesAreBounded(t *testing.T) {
	t.Parallel()
	commas := &expression.Event{Content: bytes.Repeat([]byte(","), largest)}
	half := strings.Repeat("a", largest/2-100)
	strs := &expression.Event{Content: []byte(`{"a":"` + half + `","b":"` + half + `b","few":"aaaa"}`)}
	list := &expression.Event{Content: []byte(`{"few":[` + strings.Repeat(`"a",`, 999) + `"a"],"many":[` + strings.Repeat("1,", largest/2-3000) + `1]}`)}
	deep := strings.Repeat("[", 9000) + strings.Repeat("1,", largest/8) + "1" + strings.Repeat("]", 9000)
	nested := &expression.Event{Content: []byte(`{"a":` + deep + `,"b":` + deep + `}`)}
	for _, c := range []struct {
		of   *expression.Event
		expr string
		want string // "": the evaluation may succeed
	}{
		{commas, `event.text.replace(",", event.text)`, "a text or a list becomes too long"},
		{commas, `event.text.replace(",", event.text, 1000)`, "a text or a list becomes too long"},
		{commas, `event.text.split(",").join(event.text)`, "a text or a list becomes too long"},
		{commas, `event.text.split(",")`, "a text or a list becomes too long"},
		{commas, `event.text.format([1])`, "a text or a list becomes too long"},
		{commas, `event.text.matches("\\pL{30}")`, "a search takes too many steps"},
		{commas, `event.text.matches(event.text)`, "a search takes too many steps"},
		{commas, `event.text.matches("x")`, ""},
		{commas, `[1,2,3,4,5,6,7,8,9].exists(x, event.text.matches("x"))`, "more work"},
		{commas, `event.text.contains("x")`, ""},
		{commas, `[1,2,3,4,5,6,7,8,9].map(x, event.text + event.text).join("").size()`, "more work"},
		{strs, `event.body.a.indexOf(event.body.b)`, "more work"},
		{strs, `event.body.b.lastIndexOf(event.body.a)`, "more work"},
		{strs, `[1,2,3,4,5,6,7,8,9].map(x, event.body.a + event.body.b).join("")`, "more work"},
		{strs, `[1,2,3,4,5,6,7,8,9].map(x, bytes(event.body.a)).size()`, "more work"},
		{strs, `[1,2,3,4,5,6,7,8,9].filter(x, size(event.body.a) > x).size()`, "more work"},
		{strs, `[1,2,3,4,5,6,7,8,9].exists(x, int(event.body.a) > x)`, "more work"},
		{list, `event.body.few.all(x, event.body.many.all(y, y > 0))`, "more work"},
		{list, `event.body.few.all(x, !(2 in event.body.many))`, "more work"},
		{list, `event.body.few.all(x, event.body.many == event.body.many)`, "more work"},
		{nested, `event.body.a == event.body.b`, ""},
		{nested, `[1,2,3,4,5,6,7,8,9].all(x, event.body.a == event.body.b)`, "more work"},
	} {
		e, err := expression.Compile(c.expr, expression.Text)
		if err != nil {
			e, err = expression.Compile("string("+c.expr+"[0])", expression.Text)
		}
		require.NoError(t, err, c.expr)
		_, err = e.Text(c.of)
		if c.want != "" {
			require.ErrorContains(t, err, c.want, c.expr)
		}
	}
	e, err := expression.Compile(`event.body.a`, expression.Text)
	require.NoError(t, err)
	_, err = e.Text(strs)
	require.EqualError(t, err, "the expression gives a text of more than 65536 bytes")
}

// A body takes less memory than its size, however an expression reads a part of it.
func TestABodyIsIndexedOnce(t *testing.T) { // not parallel: it measures memory
	body := []byte(`{"orders":[` + strings.Repeat(`{"id":12345678,"name":"a name of an order","tags":["one","two"]},`, 100_000) + `{}],"size":1}`)
	e, err := expression.Compile(`event.body.size == 1`, expression.Bool)
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	of := &expression.Event{Content: body}
	for range 3 {
		ok, err := e.Bool(of)
		require.NoError(t, err)
		require.True(t, ok)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*len(body)), "the index grows by doubling, and is made once")
}

// Expressions are shared by all requests.
func TestExpressionsAreShared(t *testing.T) {
	t.Parallel()
	good, err := expression.Compile(`event.body.name.matches("orders") && event.headers["x-kind"] == "new" && event.body.tags.exists(x, x == "b")`, expression.Bool)
	require.NoError(t, err)
	bad, err := expression.Compile(`event.body.?name.value().charAt(1) + string(event.body.?size.orValue(1).getHours())`, expression.Text)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				of := sample()
				ok, err := good.Bool(of)
				if err != nil || !ok {
					t.Error(ok, err)
				}
				if _, err = bad.Text(of); err == nil {
					t.Error("no error")
				}
				if _, err = expression.Compile(`event.bdy`, expression.Text); err == nil {
					t.Error("no error")
				}
			}
		})
	}
	all.Wait()
}
