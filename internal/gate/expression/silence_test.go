package expression_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/expression"
)

const canary = "c4nary"

// secretive returns an event that has the canary in each of its parts.
func secretive() *expression.Event {
	body, _ := json.Marshal(map[string]any{"a": canary, "list": []any{canary, 9007199254, nil}, "map": map[string]any{canary: canary}, "n": 31337, "f": 313.37, canary: canary, "t": true})
	return &expression.Event{
		EventKey: canary, Content: body, Attributes: map[string]string{"a": canary, canary: canary},
		Meta: event.Meta{
			Method: canary, Headers: map[string][]string{"A": {canary}, canary: {canary}}, Query: map[string][]string{"a": {canary}},
			CloudEvent: map[string]json.RawMessage{"a": json.RawMessage(`"` + canary + `"`)},
		},
	}
}

// No error holds a value of the event, whatever fails.
func TestErrorsHoldNoValues(t *testing.T) {
	t.Parallel()
	values := []string{
		`event.body`, `event.body.a`, `event.body.list`, `event.body.map`, `event.body.n`, `event.body.f`, `event.body.t`, `event.text`, `event.method`, `event.eventKey`,
		`event.headers`, `event.headers.a`, `event.headersAll.a`, `event.query.a`, `event.attributes.a`, `event.cloudEvent.a`, `event.cloudEvent`, `event.receivedAt`,
		`event.body.list[0]`, `event.body.map[event.body.a]`, `event.body.missing`, `event.body.?missing`, `'3'`, `7`, `0`, `-1`, `2.5`, `[event.body.a]`, `{event.body.a: event.body.a}`, `'%s %d'`,
	}
	forms := []string{
		`%s`, `int(%s)`, `uint(%s)`, `double(%s)`, `bool(%s)`, `string(%s)`, `bytes(%s)`, `timestamp(%s)`, `duration(%s)`, `dyn(%s)`, `type(%s)`, `-dyn(%s)`, `!dyn(%s)`, `size(dyn(%s))`,
		`%s + dyn(%s)`, `dyn(%s) - dyn(%s)`, `dyn(%s) * dyn(%s)`, `dyn(%s) / dyn(%s)`, `dyn(%s) %% dyn(%s)`, `dyn(%s) < dyn(%s)`, `dyn(%s) in dyn(%s)`, `dyn(%s)[%s]`, `dyn(%s).missing`,
		`dyn(%s) ? 1 : 2`, `dyn(%s) && dyn(%s)`, `dyn(%s) || dyn(%s)`, `dyn(%s).exists(x, x > 1)`, `dyn(%s).map(x, int(x))`, `dyn(%s).all(x, x == 'y' || x.z)`, `dyn(%s).matches(dyn(%s) + '(')`,
		`dyn(%s).join(dyn(%s))`, `dyn(%s).replace(dyn(%s), '')`, `dyn(%s).split(dyn(%s))`, `dyn(%s).substring(dyn(%s))`, `dyn(%s).charAt(dyn(%s))`, `dyn(%s).indexOf('c', dyn(%s))`,
		`dyn(%s).format(dyn(%s))`, `event.receivedAt.getHours(string(dyn(%s)))`, `event.receivedAt.getHours('+' + string(dyn(%s)))`, `optional.of(dyn(%s)).orValue(1)`, `dyn(%s).value()`, `dyn(%s)[?%s].value()`,
		`'%%d'.format([%s])`, `'%%x'.format([%s])`, `{dyn(%s): 1, dyn(%s): 2}`, `[1][dyn(%s)]`, `strings.quote(dyn(%s))`, `[?dyn(%s)]`,
	}
	failed := 0
	rapid.Check(t, func(t *rapid.T) {
		var part func(depth int) string
		part = func(depth int) string {
			if depth == 0 {
				return rapid.SampledFrom(values).Draw(t, "value")
			}
			form := rapid.SampledFrom(forms).Draw(t, "form")
			args := make([]any, strings.Count(form, "%s")-strings.Count(form, "'%s"))
			for i := range args {
				args[i] = part(rapid.IntRange(0, depth-1).Draw(t, "depth"))
			}
			return fmt.Sprintf(form, args...)
		}
		text := part(rapid.IntRange(1, 3).Draw(t, "depth"))
		for _, kind := range []expression.Kind{expression.Bool, expression.Text, expression.Time} {
			e, err := expression.Compile(text, kind)
			if err != nil {
				continue
			}
			switch kind {
			case expression.Bool:
				_, err = e.Bool(secretive())
			case expression.Text:
				_, err = e.Text(secretive())
			default:
				_, err = e.Time(secretive())
			}
			if err == nil {
				continue
			}
			failed++
			for _, value := range []string{canary, "C4NARY", "31337", "313.37", "9007199254"} {
				require.NotContains(t, err.Error(), value, text)
			}
		}
	})
	require.Positive(t, failed)
}
