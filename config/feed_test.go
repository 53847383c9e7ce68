package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

func TestFaultsOfAdmission(t *testing.T) {
	t.Parallel()
	const dead = `, "deadLetter": {"topic": "` + topic + `"}`
	more := func(fields string) string { return gateOf(sliding, twoKeys, `, `+fields) }
	feed := func(fields string) string {
		return more(`"feeds": [{"name": "f", "routes": [{"when": "true", "eventKey": "a"}]` + fields + `}]`)
	}
	for _, c := range []struct {
		name, doc string
		want      string // the faults, one per line
	}{
		// Feeds.
		{"empty feed", more(`"feeds": [{}]`), "$.feeds[0].name: is required\n$.feeds[0].routes: is required"},
		{"no routes", more(`"feeds": [{"name": "f", "routes": []}]`), `$.feeds[0].routes: must have at least one route`},
		{"empty route", more(`"feeds": [{"name": "f", "routes": [{}]}]`), "$.feeds[0].routes[0].when: is required\n$.feeds[0].routes[0].eventKey: is required"},
		{"name of two segments", more(`"feeds": [{"name": "a/b", "routes": [{"when": "true", "eventKey": "a"}]}]`), `$.feeds[0].name: must be letters, digits, . _ ~ -, not "a/b"`},
		{"field", feed(`, "deadLetter": true`), `$.feeds[0].deadLetter: unknown field; the fields are name, otherwise, routes, source`},
		{"otherwise", feed(`, "otherwise": "c"`), `$.feeds[0].otherwise: must be reject, drop, deadLetter or an eventKey, not "c": the eventKeys are ["a" "b"]`},
		{"otherwise a dead letter", feed(`, "otherwise": "deadLetter"`), `$.feeds[0].otherwise: "deadLetter" needs deadLetter.topic`},
		{"all at once", more(`"feeds": [
			{"name": "f", "routes": [{"when": "event.bdy", "eventKey": "c"}, {"when": "event.text", "eventKey": "b"}]},
			{"name": "g", "routes": [{"when": "true &&\n x", "eventKey": "a"}], "otherwise": "x"},
			{"name": "f", "routes": [{"when": "true", "eventKey": "A"}]}]`),
			`$.feeds[0].routes[0].when: 1:6: undefined field 'bdy'
$.feeds[0].routes[0].eventKey: there is no endpoint "c": the endpoints are ["a" "b"]
$.feeds[0].routes[1].when: 1:1: it gives a string, and a boolean is needed
$.feeds[1].routes[0].when: 2:2: undeclared reference to 'x'
$.feeds[1].otherwise: must be reject, drop, deadLetter or an eventKey, not "x": the eventKeys are ["a" "b"]
$.feeds[2].routes[0].eventKey: there is no endpoint "A": the endpoints are ["a" "b"]
$.feeds[2].name: feeds[0] and feeds[2] have the same name "f"`},

		// Policies.
		{"policies without a topic", gateOf(tumbling+`, "every": "day", "eventTime": "event.body.at", "late": "deadLetter"`, `{"eventKey": "a", "filter": "true", "onError": "deadLetter"}`,
			`, "correlation": {"key": "event.text", "onMissing": "deadLetter"}`),
			`$.trigger.late: "deadLetter" needs deadLetter.topic
$.endpoints[0].onError: "deadLetter" needs deadLetter.topic
$.correlation.onMissing: "deadLetter" needs deadLetter.topic`},
		{"onError", gateOf(sliding, `{"eventKey": "a", "filter": "true", "onError": "drop"}`, dead), `$.endpoints[0].onError: must be reject or deadLetter, not "drop"`},
		{"onError of nothing", gateOf(sliding, `{"eventKey": "a", "onError": "deadLetter"}`, dead),
			`$.endpoints[0].onError: says what happens where filter, id, distinct or trigger.eventTime fails, and there is none of them`},

		// Backpressure.
		{"negative", more(`"maxPending": -1`), `$.maxPending: must be from 1 to 1000000000`},
		{"too many", more(`"maxPending": 1000000001`), `$.maxPending: must be from 1 to 1000000000`},
		{"a text", more(`"maxPending": "1000"`), `$.maxPending: must be an integer, not a string`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse([]byte(c.doc))
			require.EqualError(t, err, c.want)
			_, err = config.Parse([]byte(`{"services": [` + c.doc + `]}`))
			require.EqualError(t, err, strings.ReplaceAll("\n"+c.want, "\n$", "\n$.services[0]")[1:])
		})
	}
}

// Two services may have feeds of one name: their paths differ.
func TestServicesHaveFeedsOfTheirOwn(t *testing.T) {
	t.Parallel()
	one := gateOf(sliding, twoKeys, `, "feeds": [{"name": "f", "routes": [{"when": "true", "eventKey": "a"}]}]`)
	parse(t, `{"services": [`+one+`, `+strings.Replace(one, `"s"`, `"t"`, 1)+`]}`)
}
