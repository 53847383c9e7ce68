package expression_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/expression"
)

var received = time.Date(2026, 11, 27, 5, 30, 0, 123456000, time.UTC)

func sample() *expression.Event {
	return &expression.Event{
		EventKey: "orders", ReceivedAt: received,
		Meta: event.Meta{
			Method:  "POST",
			Headers: map[string][]string{"X-Kind": {"new", "old"}, "Content-Type": {"application/json"}},
			Query:   map[string][]string{"orderId": {"17"}, "a": {"lower"}, "A": {"upper"}},
			CloudEvent: map[string]json.RawMessage{
				"type": json.RawMessage(`"created"`), "sequence": json.RawMessage(`7`),
			},
		},
		Attributes: map[string]string{"bucketId": "b"},
		Content: []byte(`{"name":"orders/1.csv","size":17,"big":9007199254740993,"huge":18446744073709551615,"long":123456789012345678901234567890,
			"price":1.50,"e":1e21,"minus":-0.0,"ok":true,"none":null,"tags":["a","b"],"at":"2026-11-27T06:30:00.1234567+01:00","seconds":1700000000.5,
			"milliseconds":1700000000123,"nested":{"a":[{"b":"c"}]},"q\"ü":"\u00fc\n","twice":1,"twice":2,"zone":"Europe/Berlin"}`),
	}
}

func text(t *testing.T, expr string, of *expression.Event) (string, error) {
	t.Helper()
	e, err := expression.Compile(expr, expression.Text)
	require.NoError(t, err, expr)
	return e.Text(of)
}

func TestText(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`event.body.name`:                                    "orders/1.csv",
		`event.body["size"]`:                                 "17",
		`event.body.size + 1`:                                "18",
		`event.body.big`:                                     "9007199254740993",
		`event.body.huge`:                                    "18446744073709551615",
		`event.body.long`:                                    "123456789012345678901234567890",
		`event.body.price`:                                   "1.5",
		`event.body.e`:                                       "1000000000000000000000",
		`event.body.minus`:                                   "0",
		`event.body.ok`:                                      "true",
		`event.body.tags[1]`:                                 "b",
		`event.body.tags.join("+")`:                          "a+b",
		`(event.body.tags + ["c"]).join("")`:                 "abc",
		`event.body.nested.a[0].b`:                           "c",
		`event.body['q"ü']`:                                  "ü\n",
		`event.body.twice`:                                   "2",
		`event.body.name.split("/")[0].upperAscii()`:         "ORDERS",
		`event.body.nested.map(k, k)[0]`:                     "a",
		`size(event.body.tags)`:                              "2",
		`event.method + " " + event.eventKey`:                "POST orders",
		`event.headers["x-kind"]`:                            "new",
		`event.headers["X-Kind"]`:                            "new",
		`event.headersAll["x-kind"][1]`:                      "old",
		`event.headers.map(k, k).join(",")`:                  "content-type,x-kind",
		`event.query.orderid + event.query.orderId`:          "1717",
		`event.query.a + event.queryAll.a[1]`:                "lowerupper",
		`event.cloudEvent.type`:                              "created",
		`event.cloudEvent.sequence`:                          "7",
		`event.attributes.bucketId`:                          "b",
		`event.receivedAt.getHours()`:                        "5",
		`event.receivedAt.getHours("Europe/Berlin")`:         "6",
		`event.receivedAt.getHours(event.body.zone)`:         "6",
		`string(event.receivedAt)`:                           "2026-11-27T05:30:00.123456Z",
		`event.?body.x.orValue("none")`:                      "none",
		`event.body.?size.orValue(0)`:                        "17",
		`event.body.?tags[?7].orValue("none")`:               "none",
		`has(event.body.size) && !has(event.body.sizes)`:     "true",
		`has(event.attributes) && has(event.body)`:           "true",
		`event.body.none == null ? "null" : "not"`:           "null",
		`event.body.tags.exists(x, x == "b")`:                "true",
		`event.text.size() > 100`:                            "true",
		`"%s-%d".format([event.body.name, event.body.size])`: "orders/1.csv-17",
		`type(event.body.tags) == list`:                      "true",
		`event.body.nested == {"a": [{"b": "c"}]}`:           "true",
		`{"a": [{"b": "c"}]} == event.body.nested`:           "true",
		`"name" in event.body && "b" in event.body.tags`:     "true",
	} {
		got, err := text(t, expr, sample())
		require.NoError(t, err, expr)
		require.Equal(t, want, got, expr)
	}
}

func TestTextRefuses(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`event.body.none`:                            "gives null, and text is needed",
		`event.body.tags`:                            "gives a list, and text is needed",
		`event.body.nested`:                          "gives a map, and text is needed",
		`event.body`:                                 "gives a map, and text is needed",
		`event.body.sizes`:                           `there is no "sizes" (at 1:11)`,
		`event.headers["x-other"]`:                   `there is no "x-other"`,
		`event.body[event.body.name]`:                "a key that the expression computes is missing",
		`event.body.tags[2]`:                         "a list has no element at this index",
		`event.body.price / 0.0`:                     "not finite",
		`event.body.size / 0`:                        "it divides by zero",
		`int(event.body.name)`:                       "a value cannot be converted",
		`event.body.name + 1`:                        "a value has a type that this operation does not take",
		`event.body.?sizes.value()`:                  "an optional value is missing",
		`event.body.size * 9000000000000000000`:      "a number is out of range",
		`"abc".substring(event.body.size)`:           "a position is outside of the text",
		`event.receivedAt.getHours(event.body.name)`: "a time zone is not known",
		`"x".matches(event.body.name + "(")`:         "a regular expression is not valid",
	} {
		_, err := text(t, expr, sample())
		require.ErrorContains(t, err, want, expr)
	}
}

func TestBodiesThatAreNotJSON(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "hello", `{"a":1}}`, `{"a":1e999}`} {
		e := sample()
		e.Content = []byte(body)
		got, err := text(t, `event.body == null ? event.text : "JSON"`, e)
		require.NoError(t, err)
		require.Equal(t, body, got)
		_, err = text(t, `event.body.a`, e)
		require.ErrorContains(t, err, `there is no "a"`)
		require.ErrorContains(t, err, "the body is null, because")
	}
	e := sample()
	e.Content = []byte("caf\xe9")
	got, err := text(t, `event.text`, e)
	require.NoError(t, err)
	require.Equal(t, "café", got)
}

// The type of event cannot be made by an expression.
func TestMadeEvents(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{`headgate.Event{}.text`, `headgate.Event{text: "a"}.text`} {
		_, err := text(t, expr, sample())
		require.ErrorContains(t, err, "it cannot be evaluated", expr)
	}
}

func TestEmptyEvent(t *testing.T) {
	t.Parallel()
	got, err := text(t, `!has(event.body) && !has(event.headers) && !has(event.queryAll) && !has(event.cloudEvent) && !has(event.attributes) && event.text == ""`, &expression.Event{})
	require.NoError(t, err)
	require.Equal(t, "true", got)
}

func TestBool(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]bool{
		`event.body.size > 0`:                                  true,
		`event.body.size > 16.5 && event.body.price < 2`:       true,
		`event.body.name.startsWith('orders/')`:                true,
		`event.body.name.matches('^orders/\\d+\\.csv$')`:       true,
		`event.body.name.matches('^' + event.eventKey)`:        true,
		`event.body.name.matches('^refunds')`:                  false,
		`event.method in ['PUT', 'PATCH']`:                     false,
		`event.body.ok`:                                        true,
		`event.body.missing == 1 || event.body.size == 17`:     true,
		`event.receivedAt > timestamp('2026-11-27T00:00:00Z')`: true,
	} {
		e, err := expression.Compile(expr, expression.Bool)
		require.NoError(t, err, expr)
		got, err := e.Bool(sample())
		require.NoError(t, err, expr)
		require.Equal(t, want, got, expr)
	}
	e, err := expression.Compile(`event.body.size`, expression.Bool)
	require.NoError(t, err)
	_, err = e.Bool(sample())
	require.EqualError(t, err, "the expression gives an integer, and a boolean is needed")
}

func TestTime(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]time.Time{
		`event.receivedAt`:                  received,
		`event.body.at`:                     time.Date(2026, 11, 27, 5, 30, 0, 123456000, time.UTC),
		`event.body.seconds`:                time.Unix(1700000000, 5e8).UTC(),
		`event.body.milliseconds`:           time.UnixMilli(1700000000123).UTC(),
		`double(event.body.milliseconds)`:   time.UnixMilli(1700000000123).UTC(),
		`100000000000`:                      time.Unix(1e11, 0).UTC(),
		`100000000001`:                      time.UnixMilli(100000000001).UTC(),
		`-1.5`:                              time.Unix(-2, 5e8).UTC(),
		`1700000000u`:                       time.Unix(1700000000, 0).UTC(),
		`event.receivedAt - duration("1h")`: received.Add(-time.Hour),
	} {
		e, err := expression.Compile(expr, expression.Time)
		require.NoError(t, err, expr)
		got, err := e.Time(sample())
		require.NoError(t, err, expr)
		require.Equal(t, want, got, expr)
	}
	for expr, want := range map[string]string{
		`event.body.name`:        "not an RFC 3339 time",
		`event.body.ok`:          "gives a boolean, and a time is needed",
		`event.body.tags`:        "gives a list, and a time is needed",
		`event.body.huge`:        "outside of the years",
		`event.body.e`:           "outside of the years",
		`-event.body.e`:          "outside of the years",
		`0.0 / event.body.minus`: "outside of the years",
	} {
		e, err := expression.Compile(expr, expression.Time)
		require.NoError(t, err, expr)
		_, err = e.Time(sample())
		require.ErrorContains(t, err, want, expr)
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr string
		kind expression.Kind
		want string
	}{
		{``, expression.Text, "1:1: the expression is empty"},
		{`event.bdy.x`, expression.Text, "1:6: undefined field 'bdy'"},
		{"event.body.x ==\n evnt.body", expression.Bool, "2:2: undeclared reference to 'evnt'"},
		{`event.body.`, expression.Text, "1:12: Syntax error"},
		{`event.receivedAt + 1`, expression.Time, "1:18: found no matching overload"},
		{`event.headers`, expression.Text, "1:1: it gives a map, and text is needed"},
		{`[event.body]`, expression.Text, "1:1: it gives a list, and text is needed"},
		{`event`, expression.Text, "1:1: it gives a headgate.Event, and text is needed"},
		{`null`, expression.Text, "1:1: it gives null, and text is needed"},
		{`event.receivedAt`, expression.Text, "1:1: it gives a timestamp, and text is needed"},
		{`event.text`, expression.Bool, "1:1: it gives a string, and a boolean is needed"},
		{`true`, expression.Time, "1:1: it gives a boolean, and a time is needed"},
		{`event.body.?x`, expression.Text, "1:1: it gives an optional value, and text is needed: end it with .orValue(…)"},
		{`event.text.matches('(')`, expression.Bool, "1:20: invalid matches argument"},
		{`timestamp('yesterday')`, expression.Time, "invalid timestamp argument"},
		{`event.receivedAt.getHours('Local')`, expression.Text, `1:27: there is no time zone "Local"`},
		{`event.receivedAt.getHours('Europe/Berln')`, expression.Text, `there is no time zone "Europe/Berln"`},
		{`now()`, expression.Time, "undeclared reference to 'now'"},
		{strings.Repeat(" ", 10_000) + "1", expression.Text, "more than 10000 bytes"},
		{strings.Repeat("(", 4000) + "1", expression.Text, "1:"},
	} {
		_, err := expression.Compile(c.expr, c.kind)
		var e *expression.Error
		require.ErrorAs(t, err, &e, c.expr)
		require.ErrorContains(t, err, c.want, c.expr)
		require.Positive(t, e.Line)
		require.Positive(t, e.Column)
	}
	_, err := expression.Compile(`evnt.body + event.bdy`, expression.Text)
	var e *expression.Error
	require.ErrorAs(t, err, &e)
	require.Len(t, e.More, 1, "every fault is listed")
	require.Equal(t, 18, e.More[0].Column)
}
