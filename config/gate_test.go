package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// gateOf is a service with this trigger, these endpoints and these further fields.
func gateOf(trigger, endpoints, more string) string {
	return fmt.Sprintf(`{"serviceName": "s", "trigger": {%s}, "endpoints": [%s], "targetPubSub": {"topic": "%s"}%s}`, trigger, endpoints, topic, more)
}

const (
	sliding  = `"type": "window", "observationPeriod": 60`
	anchored = sliding + `, "window": "anchored"`
	tumbling = `"type": "window", "window": "tumbling"`
	session  = sliding + `, "window": "session"`
	twoKeys  = `{"eventKey": "a"}, {"eventKey": "b"}`
)

// gates has valid services that together use every field of windows, keys, conditions and
// expressions.
var gates = map[string]string{
	"sliding": gateOf(sliding+`, "window": "sliding", "condition": "a && b"`, twoKeys, ``),
	"anchored": gateOf(anchored+`, "condition": "(a || b) && atLeast(1, a, c)", "release": "close", "onClose": "deadLetter"`,
		`{"eventKey": "a"}, {"eventKey": "b", "optional": true}, {"eventKey": "c"}`, `, "deadLetter": {"topic": "`+topic+`"}`),
	"tumbling": gateOf(tumbling+`, "every": "day", "at": "06:00", "timeZone": "Europe/Berlin", "grace": 900,
		"eventTime": "event.body.at", "late": "drop", "release": "complete", "onClose": "partial"`, twoKeys, ``),
	"tumbling by the second": gateOf(tumbling+`, "every": 900`, twoKeys, ``),
	"tumbling by digits":     gateOf(tumbling+`, "every": "900"`, twoKeys, ``),
	"tumbling by the hour":   gateOf(tumbling+`, "every": "hour", "at": ":15"`, twoKeys, ``),
	"session":                gateOf(session+`, "maxPeriod": 3600, "onClose": "drop"`, twoKeys, ``),
	"key": gateOf(sliding, `{"eventKey": "a", "key": "event.query.order"}, {"eventKey": "b"}`,
		`, "correlation": {"key": "event.body.order", "onMissing": "drop"}, "reset": [{"cron": "0 4 * * *", "timeZone": "Europe/Berlin"}, {"cron": "0 12 * * 1-5"}]`),
	"endpoints": gateOf(sliding, `{"eventKey": "a", "filter": "event.body.size > 0", "distinct": "event.body.name", "keep": "first", "id": "event.body.id",
		"minNbOfOccurrence": 2, "maxNbOfOccurrence": 2}, {"eventKey": "b", "optional": true}`, ``),
	"feeds": gateOf(tumbling+`, "every": "day", "eventTime": "event.body.at", "late": "deadLetter"`,
		`{"eventKey": "a", "filter": "event.body.size > 0", "onError": "deadLetter"}, {"eventKey": "b", "onError": "reject"}`,
		`, "correlation": {"key": "event.body.day", "onMissing": "deadLetter"}, "deadLetter": {"topic": "`+topic+`"}, "maxPending": 1000000, "feeds": [
			{"name": "files", "routes": [{"when": "event.body.name.startsWith('a/')", "eventKey": "a"}], "otherwise": "drop"},
			{"name": "rest", "routes": [{"when": "event.method == 'POST'", "eventKey": "a"}, {"when": "true", "eventKey": "b"}], "otherwise": "b"},
			{"name": "dead", "routes": [{"when": "false", "eventKey": "a"}], "otherwise": "deadLetter"},
			{"name": "plain", "routes": [{"when": "false", "eventKey": "a"}], "otherwise": "reject"}]`),
	"alerts": gateOf(sliding, twoKeys, `, "expect": [{"cron": "30 6 * * 1-5", "timeZone": "Europe/Berlin"}, {"cron": "0 18 * * *"}],
		"alerts": {"topic": "`+topic+`", "http": [{"url": "https://a.example/", "oidc": true}, {"url": "http://localhost:8080/", "secret": "env:ALERTS"}]}`),
	"expectations without alerts": gateOf(sliding, twoKeys, `, "expect": [{"cron": "30 6 * * *"}]`),
	"names of any text":           gateOf(sliding+`, "condition": "endpoint(\"a/b\") || c"`, `{"eventKey": "a/b"}, {"eventKey": "c"}`, ``),
	"format and timers": gateOf(anchored, twoKeys, `, "messageFormat": "eventsync-2",
		"timers": {"queue": "projects/p-1/locations/europe-west1/queues/windows", "url": "https://check.example.com", "serviceAccount": "t@p-1.iam.gserviceaccount.com"}`),
	"type none": gateOf(`"type": "none", "observationPeriod": 60`, `{"eventKey": "a", "optional": true}, {"eventKey": "b"}`, ``),
}

// The schema knows which windows need observationPeriod, and what an interval is.
func TestSchemaOfTriggers(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for trigger, valid := range map[string]bool{
		sliding: true, anchored: true, session: true, tumbling + `, "every": 60`: true, tumbling + `, "every": "day"`: true,
		`"type": "window"`:                                  false,
		`"type": "window", "observationPeriod": 0`:          false,
		`"type": "none"`:                                    false,
		`"type": "window", "window": "anchored"`:            false,
		`"type": "window", "window": "session"`:             false,
		tumbling:                                            false,
		tumbling + `, "every": null`:                        false,
		tumbling + `, "every": true`:                        false,
		tumbling + `, "every": ["day"]`:                     false,
		tumbling + `, "every": 60, "observationPeriod": 60`: false,
	} {
		doc := gateOf(trigger, twoKeys, ``)
		_, err := config.Parse([]byte(doc))
		require.Equal(t, valid, err == nil, trigger)
		require.Equal(t, valid, validateSchema(t, schema, doc) == nil, trigger)
	}
}

// A valid gate is effective as it is written, in either form.
func TestGates(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for name, doc := range gates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, doc := range []string{doc, `{"services": [` + doc + `]}`} {
				cfg := parse(t, doc)
				require.NoError(t, validateSchema(t, schema, doc))
				require.NoError(t, validateSchema(t, schema, string(cfg.JSON())))
				require.Equal(t, cfg, parse(t, string(cfg.JSON())))
			}
			requireWithin(t, tree(t, doc), tree(t, string(parse(t, doc).Services[0].JSON())))
		})
	}
}

func tree(t *testing.T, doc string) (v any) {
	require.NoError(t, json.Unmarshal([]byte(doc), &v))
	return v
}

// requireWithin requires that the whole has all that a part says.
func requireWithin(t *testing.T, part, whole any) {
	switch part := part.(type) {
	case map[string]any:
		for name, v := range part {
			require.Contains(t, whole, name)
			requireWithin(t, v, whole.(map[string]any)[name])
		}
	case []any:
		require.Len(t, whole, len(part))
		for i, v := range part {
			requireWithin(t, v, whole.([]any)[i])
		}
	default:
		require.Equal(t, part, whole)
	}
}

// What EventSync's configuration says means the same, and shows none of the further fields.
func TestTheFieldsOfEventSyncStayAlone(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{readme, valid, with(`"asyncEventTrigger": true`), string(config.Example())} {
		var names []string
		collect(tree(t, string(parse(t, doc).Services[0].JSON())), &names)
		for _, name := range names {
			require.Contains(t, []string{
				"serviceName", "trigger", "type", "observationPeriod", "keepEventAfterTrigger", "endpoints", "eventKey", "acceptedHttpMethods",
				"eventToSend", "minNbOfOccurrence", "targetPubSub", "topic", "maxEventBytes", "maxMessageBytes", "retentionDays", "asyncEventTrigger",
			}, name)
		}
	}
}

// collect lists the names of all members.
func collect(v any, names *[]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			*names = append(*names, name)
			collect(member, names)
		}
	case []any:
		for _, item := range v {
			collect(item, names)
		}
	}
}

func TestFaultsOfGates(t *testing.T) {
	t.Parallel()
	endpoint := func(fields string) string {
		return gateOf(sliding, `{"eventKey": "a", `+fields+`}, {"eventKey": "b"}`, ``)
	}
	condition := func(text string) string {
		quoted, _ := json.Marshal(text)
		return gateOf(sliding+`, "condition": `+string(quoted), twoKeys, ``)
	}
	every := func(v string) string { return gateOf(tumbling+`, "every": `+v, twoKeys, ``) }
	const notEvery = "$.trigger.every: must be hour, day, week, month, or a number of seconds"
	for _, c := range []struct {
		name, doc string
		want      string // the faults, one per line
	}{
		// Kinds of windows.
		{"kind", gateOf(sliding+`, "window": "hopping"`, twoKeys, ``), `$.trigger.window: must be sliding, anchored, tumbling or session, not "hopping"`},
		{"period of an anchored window", gateOf(`"type": "window", "window": "anchored"`, twoKeys, ``), `$.trigger.observationPeriod: is required: from 1 to 31622400 seconds (366 days)`},
		{"period of a session", gateOf(`"type": "window", "window": "session"`, twoKeys, ``), `$.trigger.observationPeriod: is required: from 1 to 31622400 seconds (366 days)`},
		{"fields of others, sliding", gateOf(sliding+`, "every": "day", "at": "06:00", "timeZone": "UTC", "grace": 1, "eventTime": "event.body.at", "late": "next", "maxPeriod": 70, "release": "close", "onClose": "drop"`, twoKeys, ``),
			`$.trigger.every: goes with window tumbling only, and this one is sliding
$.trigger.at: goes with window tumbling only, and this one is sliding
$.trigger.timeZone: goes with window tumbling only, and this one is sliding
$.trigger.grace: goes with window tumbling only, and this one is sliding
$.trigger.eventTime: goes with window tumbling only, and this one is sliding
$.trigger.late: goes with window tumbling only, and this one is sliding
$.trigger.maxPeriod: goes with window session only, and this one is sliding
$.trigger.release: goes with window anchored, tumbling or session only, and this one is sliding
$.trigger.onClose: goes with window anchored, tumbling or session only, and this one is sliding`},
		{"fields of others, anchored", gateOf(anchored+`, "every": "day", "maxPeriod": 70`, twoKeys, ``), `$.trigger.every: goes with window tumbling only, and this one is anchored
$.trigger.maxPeriod: goes with window session only, and this one is anchored`},
		{"fields of others, tumbling", gateOf(tumbling+`, "every": 60, "maxPeriod": 70`, twoKeys, ``), `$.trigger.maxPeriod: goes with window session only, and this one is tumbling`},
		{"maxPeriod", gateOf(session+`, "maxPeriod": 59`, twoKeys, ``), `$.trigger.maxPeriod: is shorter than observationPeriod`},
		{"type none", gateOf(`"type": "none", "observationPeriod": 60, "window": "anchored"`, twoKeys, ``), `$.trigger.window: closes by itself, and type none never releases a window by itself: use type window`},
		{"events that are kept", gateOf(session+`, "keepEventAfterTrigger": true`, twoKeys, ``), `$.trigger.keepEventAfterTrigger: goes with window sliding only: another window ends with its message`},
		{"policies", gateOf(tumbling+`, "every": "day", "release": "never", "onClose": "keep", "late": "reject", "grace": -1`, twoKeys, ``), `$.trigger.release: must be complete or close, not "never"
$.trigger.onClose: must be drop, partial or deadLetter, not "keep"
$.trigger.late: must be next, drop or deadLetter, not "reject"
$.trigger.grace: must be from 0 to 604800 seconds (a week)`},
		{"no dead letters", gateOf(anchored+`, "onClose": "deadLetter"`, twoKeys, ``), `$.trigger.onClose: "deadLetter" needs deadLetter.topic`},
		{"topic of dead letters", gateOf(anchored+`, "onClose": "deadLetter"`, twoKeys, `, "deadLetter": {"topic": "dead"}`), `$.deadLetter.topic: must be projects/<project>/topics/<name>, not "dead"`},

		// Intervals of the calendar.
		{"no interval", gateOf(tumbling, twoKeys, ``), `$.trigger.every: is required for window tumbling: hour, day, week, month, or a number of seconds`},
		{"interval null", every(`null`), `$.trigger.every: must be hour, day, week, month, or a number of seconds, not null`},
		{"interval null, sliding", gateOf(sliding+`, "every": null`, twoKeys, ``), `$.trigger.every: must be hour, day, week, month, or a number of seconds, not null`},
		{"a period", gateOf(tumbling+`, "every": 60, "observationPeriod": 60`, twoKeys, ``), `$.trigger.observationPeriod: goes with window sliding, anchored or session only, and this one is tumbling`},
		{"interval true", every(`true`), notEvery + `, not true or false`},
		{"interval an object", every(`{"day": 1}`), notEvery + `, not an object`},
		{"interval a list", every(`["day"]`), notEvery + `, not an array`},
		{"interval 0", every(`0`), `$.trigger.every: "0" is neither hour, day, week or month nor a number of seconds from 1 to 31622400`},
		{"interval negative", every(`-60`), `$.trigger.every: "-60" is neither hour, day, week or month nor a number of seconds from 1 to 31622400`},
		{"interval a fraction", every(`1.5`), `$.trigger.every: "1.5" is neither hour, day, week or month nor a number of seconds from 1 to 31622400`},
		{"interval too long", every(`31622401`), `$.trigger.every: "31622401" is neither hour, day, week or month nor a number of seconds from 1 to 31622400`},
		{"interval empty", every(`""`), `$.trigger.every: "" is neither hour, day, week or month nor a number of seconds from 1 to 31622400`},
		{"all of an interval", every(`"year", "at": "6:00", "timeZone": "Berlin"`), `$.trigger.every: "year" is neither hour, day, week or month nor a number of seconds from 1 to 31622400
$.trigger.at: "6:00" is not a time of day, such as 06:00
$.trigger.timeZone: "Berlin" is not the name of a time zone, such as Europe/Berlin`},
		{"minute of an hour", every(`"hour", "at": "06:15"`), `$.trigger.at: "06:15" is not the minute at which an hour begins, such as :15`},
		{"the machine's zone", every(`"day", "timeZone": "Local"`), `$.trigger.timeZone: "Local" is not the name of a time zone, such as Europe/Berlin`},
		{"seconds that do not divide a day", every(`7000, "at": "06:00"`), `$.trigger.every: 7000 seconds do not divide a day of 86400 seconds, as they must with at or timeZone, because they are counted from the beginning of each day`},

		// Conditions.
		{"unknown endpoint", condition("a && b && c"), `$.trigger.condition: at 11: there is no endpoint "c": the endpoints are a, b`},
		{"no operator", condition("a b"), `$.trigger.condition: at 3: "b" is not expected here`},
		{"negation", condition("a && !b"), `$.trigger.condition: at 6: there is no negation: a further event must not make a complete window incomplete`},
		{"unclosed", condition("(a && b"), `$.trigger.condition: at 8: ")" is expected, not the end`},
		{"blank", condition(" "), `$.trigger.condition: at 2: an endpoint is expected, not the end`},
		{"function", condition("most(a, b)"), `$.trigger.condition: at 1: there is no function "most": the functions are atLeast and endpoint`},
		{"always", condition("a || b || atLeast(0, a)"), `$.trigger.condition: at 11: atLeast(0, …) is always true: the number must be at least 1`},
		{"never", condition("atLeast(3, a, b)"), `$.trigger.condition: at 1: atLeast(3, …) is never true: the number of its conditions is 2`},
		{"endpoint that is not used", condition("a"), `$.trigger.condition: does not name endpoint "b": name it, or make it optional`},
		{"all optional", gateOf(sliding, `{"eventKey": "a", "optional": true}`, ``), `$.endpoints: are all optional, so every window is complete: make one required, or write trigger.condition`},

		// Expressions.
		{"correlation without a key", gateOf(sliding, twoKeys, `, "correlation": {}`), `$.correlation.key: is required`},
		{"empty key", gateOf(sliding, twoKeys, `, "correlation": {"key": "", "onMissing": "keep"}`), "$.correlation.key: must not be empty\n" + `$.correlation.onMissing: must be reject, drop or deadLetter, not "keep"`},
		{"blank key", gateOf(sliding, twoKeys, `, "correlation": {"key": " "}`), `$.correlation.key: 1:1: the expression is empty`},
		{"misspelt field", gateOf(sliding, twoKeys, `, "correlation": {"key": "event.bdy.id"}`), `$.correlation.key: 1:6: undefined field 'bdy'`},
		{"unknown variable", endpoint(`"filter": "true &&\n body.x"`), `$.endpoints[0].filter: 2:2: undeclared reference to 'body'`},
		{"syntax", endpoint(`"id": "event."`), `$.endpoints[0].id: 1:7: Syntax error: no viable alternative at input '.'`},
		{"kinds of results", gateOf(tumbling+`, "every": "day", "eventTime": "true"`, `{"eventKey": "a", "filter": "event.text", "distinct": "[1]", "id": "{}", "key": "null"}, {"eventKey": "b"}`, `, "correlation": {"key": "event.headers"}`),
			`$.trigger.eventTime: 1:1: it gives a boolean, and a time is needed
$.endpoints[0].filter: 1:1: it gives a string, and a boolean is needed
$.endpoints[0].distinct: 1:1: it gives a list, and text is needed
$.endpoints[0].id: 1:1: it gives a map, and text is needed
$.endpoints[0].key: 1:1: it gives null, and text is needed
$.correlation.key: 1:1: it gives a map, and text is needed`},

		// Endpoints.
		{"key without correlation", endpoint(`"key": "event.text"`), `$.endpoints[0].key: takes the place of correlation.key, and there is no correlation`},
		{"keep without distinct", endpoint(`"keep": "last"`), `$.endpoints[0].keep: says which of the events with the same distinct value counts, and there is no distinct`},
		{"keep", endpoint(`"distinct": "event.text", "keep": "all"`), `$.endpoints[0].keep: must be first or last, not "all"`},
		{"fewer than needed", endpoint(`"minNbOfOccurrence": 2, "maxNbOfOccurrence": 1`), `$.endpoints[0].maxNbOfOccurrence: is less than minNbOfOccurrence: no window would be complete`},
		{"always the same", endpoint(`"distinct": "'x'", "minNbOfOccurrence": 2`), `$.endpoints[0].distinct: is the same for every event, so one of them counts, and minNbOfOccurrence is 2: no window would be complete`},
		{"always filtered", endpoint(`"filter": "1 > 2"`), `$.endpoints[0].filter: is always false, so no event of this endpoint would count`},
		{"late by receipt", gateOf(tumbling+`, "every": "day", "late": "drop"`, twoKeys, ``), `$.trigger.late: is about an event whose own time is in a closed window, and there is no eventTime: by its receipt no event is late`},
		{"bound", endpoint(`"maxNbOfOccurrence": -1`), `$.endpoints[0].maxNbOfOccurrence: must be from 1 to 1000000`},
		{"bounds of events that are kept", gateOf(sliding+`, "keepEventAfterTrigger": true`, `{"eventKey": "a", "distinct": "event.text"}, {"eventKey": "b", "maxNbOfOccurrence": 3}`, ``),
			`$.endpoints[0]: has distinct or maxNbOfOccurrence, which need windows that end with their message: take keepEventAfterTrigger away
$.endpoints[1]: has distinct or maxNbOfOccurrence, which need windows that end with their message: take keepEventAfterTrigger away`},

		// Resets.
		{"reset", gateOf(sliding, twoKeys, `, "reset": [{"cron": "0 4 * *", "timeZone": "Berlin"}, {}, {"cron": ""}, {"cron": "0 0 30 2 *"}, {"cron": "0 25 * * *"}]`),
			`$.reset[1].cron: is required
$.reset[2].cron: must not be empty
$.reset[0].timeZone: "Berlin" is not the name of a time zone, such as Europe/Berlin
$.reset[0].cron: there are 4 fields, and cron has 5: minute, hour, day of the month, month, day of the week
$.reset[3].cron: it never comes: none of its months has such a day
$.reset[4].cron: hour: "25" is not one of 0 to 23`},

		// Alerts.
		{"alerts", gateOf(sliding, twoKeys, `, "expect": [{"cron": "30 6 * *", "timeZone": "Berlin"}, {"cron": "0 25 * * *"}], "alerts": {"http": [
			{"url": "https://a.example/?t=hidden"}, {"url": "https://a.example/?t=hidden", "oauth": true}, {"url": "http://a.example/", "secret": "x"}]}`),
			`$.expect[0].timeZone: "Berlin" is not the name of a time zone, such as Europe/Berlin
$.expect[0].cron: there are 4 fields, and cron has 5: minute, hour, day of the month, month, day of the week
$.expect[1].cron: hour: "25" is not one of 0 to 23
$.alerts.http[1].oauth: would give a.example a token for Google's APIs: it is for hosts of googleapis.com; use oidc
$.alerts.http[1].url: is that of http[0], too
$.alerts.http[2].url: must use https
$.alerts.http[2].secret: is not a secret of Standard Webhooks: whsec_ and base64 of at least 16 bytes`},
		{"complete messages of type none", gateOf(`"type": "none", "observationPeriod": 60`, twoKeys, `, "expect": [{"cron": "30 6 * * *"}]`),
			`$.expect: is about complete messages, and type none publishes none by itself: every instant would send an alert; use type window`},
		{"alerts for nobody", gateOf(sliding, twoKeys, `, "alerts": {}`), `$.alerts: must have "topic" or "http"`},
		{"nothing expected", gateOf(sliding, twoKeys, `, "expect": [], "alerts": {"http": []}`), `$.expect: must have at least one schedule
$.alerts.http: must have at least one endpoint`},
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
