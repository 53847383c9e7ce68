package event_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
)

// structured has the header of a CloudEvent in structured mode.
var structured = map[string][]string{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}

// binaryOf returns the headers of a CloudEvent in binary mode, changed by pairs; "" removes.
func binaryOf(pairs ...string) map[string][]string {
	h := http.Header{}
	for name, v := range map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "//s", "ce-type": "t"} {
		h.Set(name, v)
	}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			h.Del(pairs[i])
		}
	}
	return h
}

func requireJSON(t *testing.T, want string, v any) {
	t.Helper()
	require.JSONEq(t, want, asJSON(v))
}

func TestCloudEvent(t *testing.T) {
	t.Parallel()
	attrs, err := event.CloudEvent(binaryOf("Ce-Subject", "caf%C3%A9", "Content-Type", "text/plain", "Accept", "*/*"), []byte("body"))
	require.NoError(t, err)
	requireJSON(t, `{"specversion":"1.0","id":"1","source":"//s","type":"t","subject":"café","datacontenttype":"text/plain"}`, attrs)

	attrs, err = event.CloudEvent(structured, []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","n":7,"data":{"x":1},"time":null}`))
	require.NoError(t, err)
	requireJSON(t, `{"specversion":"1.0","id":"1","source":"s","type":"t","n":7}`, attrs)

	attrs, err = event.CloudEvent(map[string][]string{"Content-Type": {"application/json"}, "X-Ce-Id": {"1"}}, []byte(`{"id":"1"}`))
	require.NoError(t, err)
	require.Nil(t, attrs)
}

// The values of headers are decoded as section 3.1.3.2 of the HTTP binding says.
func TestHeadersOfACloudEventAreDecoded(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"plain": "plain", "Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀", "%e2%82%ac": "€", "%41": "A", "%2525": "%25",
		`"quoted"`: "quoted", `"a \"b\" \\ %20"`: `a "b" \  `, "caf\u00e9": "café", `a"b"`: `a"b"`, "%20": " ", `"%22"`: `"`,
	} {
		attrs, err := event.CloudEvent(binaryOf("Ce-Id", v), nil)
		require.NoError(t, err, v)
		requireJSON(t, asJSON(want), attrs["id"])
	}
	for _, v := range []string{"caf%E9", "%C0%A0", "caf\xe9", "\xc3%A9", "%C3\xa9", "100%", "%4", "%zz", "%+1", `"open`, `"a"b`, `"a\`, "%ED%A0%80"} {
		_, err := event.CloudEvent(binaryOf("Ce-Id", v), nil)
		require.ErrorContains(t, err, `CloudEvent attribute "id"`, "%q", v)
	}
	twice := binaryOf()
	twice["Ce-Id"] = []string{"1", "2"}
	_, err := event.CloudEvent(twice, nil)
	require.EqualError(t, err, `CloudEvent attribute "id" is given 2 times`)
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Two CloudEvents that differ in their ids never have one name, in whatever way the ids are
// written: either both are refused, or the names differ.
func TestTwoIDsAreTwoNames(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, id := range []string{"caf\xe9", "caf\xe8", "café", `caf\u00e8`, `\ud800`, `\udc00`, `\ud800\ud801`, `\ufffd`, `\ud83d\ude00`, `\\ud800`} {
		c, err := event.Decode(structured, []byte(`{"specversion":"1.0","source":"s","type":"t","id":"`+id+`"}`))
		if err != nil {
			require.Empty(t, c.Key)
			continue
		}
		require.NotContains(t, seen, c.Key, "%q", id)
		seen[c.Key] = id
	}
	require.Len(t, seen, 5, "%q", seen)
}

// These are the inputs that the CloudEvents conformance suite calls invalid, in JSON.
func TestMalformedCloudEvents(t *testing.T) {
	t.Parallel()
	with := func(more string) string {
		return `{"specversion":"1.0","id":"1","source":"https://h","type":"t"` + more + `}`
	}
	without := func(name string) string {
		return strings.Replace(with(""), fmt.Sprintf("%q:", name), `"x":`, 1)
	}
	cases := map[string]string{
		`[]`: "not a JSON object", `null`: "not a JSON object", `{`: "not a JSON object", ``: "not a JSON object", with("") + `{}`: "not a JSON object",
		with(`,"id":"2"`): `has "id" twice`,
		with(`,"data":"text","data_base64":"eyAieHl6IjogMTIzIH0="`): "both data and data_base64",
		with(`,"data_base64":"%"`):                                  "data_base64 is not base64",
		with(`,"data_base64":7`):                                    "data_base64 is not base64",
		with(`,"MyExtension":"bad"`):                                `"MyExtension" has a name`,
		with(`,"my.extension":"bad"`):                               `"my.extension" has a name`,
		with(`,"myextension":1.5`):                                  `"myextension" must be`,
		with(`,"myextension":{"a":1}`):                              `"myextension" must be`,
		with(`,"myextension":[]`):                                   `"myextension" must be`,
		with(`,"datacontenttype":"xyz"`):                            `"datacontenttype" must be a media type`,
		strings.Replace(with(""), `"1.0"`, `"0.9"`, 1):              `"specversion" must be "1.0" or "0.3"`,
		strings.Replace(with(""), `"id":"1"`, `"id":25`, 1):         `"id" must be`,
		strings.Replace(with(""), `"id":"1"`, `"id":{"a":"b"}`, 1):  `"id" must be`,
		"{\"specversion\":\"1.0\",\"id\":\"\xe9\"}":                 "not UTF-8",
	}
	for _, name := range []string{"specversion", "id", "source", "type"} {
		cases[without(name)] = fmt.Sprintf("%q must be a non-empty string", name)
		cases[strings.Replace(without(name), "{", `{"`+name+`":"",`, 1)] = fmt.Sprintf("%q must be a non-empty string", name)
	}
	for _, name := range []string{"datacontenttype", "dataschema", "subject", "time"} {
		cases[with(`,"`+name+`":""`)] = fmt.Sprintf("%q must be a non-empty string, or absent", name)
		cases[with(`,"`+name+`":7`)] = fmt.Sprintf("%q must be a non-empty string, or absent", name)
	}
	for _, at := range []string{"lunchtime", "2018-04-05T18:31Z", "2018-04-05T18:31:00X", "2018-04-05T18:31:00+25:00", "2018-04-05T18:31:00+xx:00", "2018-04-05T18:31:00+05", "2018-04-05", "2018-04-05T18:31:00,5Z"} {
		cases[with(`,"time":"`+at+`"`)] = `"time" must be a time`
	}
	for body, want := range cases {
		_, err := event.CloudEvent(structured, []byte(body))
		require.ErrorContains(t, err, want, body)
		c, err := event.DecodeItem(true, []byte(body))
		require.ErrorContains(t, err, want, body)
		require.Equal(t, event.Carried{Content: []byte(body)}, c, "it may be kept as a plain event")
	}
	for _, more := range []string{
		``, `,"datacontenttype":null,"dataschema":null,"subject":null,"time":null`,
		`,"datacontenttype":"text/plain","dataschema":"https://h/s","subject":"tests","time":"2018-04-05T17:31:00Z"`,
		`,"time":"2018-04-05T17:31:00.000000000Z"`, `,"time":"2018-04-05T18:31:00+01:00"`, `,"time":"2018-04-05t16:31:00-01:00"`, `,"time":"2016-12-31T23:59:60Z"`,
		`,"datacontenttype":"text/plain","data":"Simple text"`, `,"data_base64":"TWE="`, `,"data":null`,
		`,"extinteger":10,"extboolean":true,"extstring":"text","exturi":"https://h","exturiref":"//a/p","exttimestamp":"2023-03-31T15:12:00Z","extbinary":"TWE="`,
	} {
		attrs, err := event.CloudEvent(structured, []byte(with(more)))
		require.NoError(t, err, more)
		require.NotEmpty(t, attrs)
	}
	_, err := event.CloudEvent(structured, []byte(`{"specversion":"0.3","id":"1","source":"#f","type":"t","ext":{"a":1}}`))
	require.NoError(t, err)
}

// A request that claims to be a CloudEvent is one, or an error.
func TestAClaimToBeACloudEventIsChecked(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]map[string][]string{
		`"specversion" must be`:       binaryOf("Ce-Specversion", ""),
		`"id" must be`:                binaryOf("Ce-Id", ""),
		`"source" must be`:            {"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}},
		`"type" must be`:              binaryOf("Ce-Type", ""),
		`"time" must be`:              binaryOf("Ce-Time", "lunchtime"),
		`"my-ext" has a name`:         binaryOf("Ce-My-Ext", "1"),
		`"data" has a name`:           binaryOf("Ce-Data", "1"),
		`"datacontenttype" must be`:   binaryOf("Content-Type", "xyz"),
		`cloudevents+avro is not kno`: {"Content-Type": {"application/cloudevents+avro"}},
		`a batch of CloudEvents`:      {"Content-Type": {"application/cloudevents-batch+json"}, "Idempotency-Key": {""}},
	} {
		c, err := event.Decode(h, []byte("body"))
		require.ErrorContains(t, err, want)
		require.Equal(t, event.Carried{Content: []byte("body")}, c, want)
	}
	// A receiver may take an unknown format as binary mode, if its headers say all.
	c, err := event.Decode(binaryOf("Content-Type", "application/cloudevents+avro"), nil)
	require.NoError(t, err)
	require.Equal(t, "ce:3://s1", c.Key)
	// What names a plain event names a malformed one, too.
	h := binaryOf("Ce-Id", "caf%E9", "X-CloudTasks-QueueName", "q", "X-CloudTasks-TaskName", "7")
	c, err = event.Decode(h, nil)
	require.Error(t, err)
	require.Equal(t, "task:1:q7", c.Key)
}

// pushWith returns a push with the attributes.
func pushWith(data string, attributes map[string]string) string {
	return fmt.Sprintf(`{"message":{"data":%q,"attributes":%s,"messageId":"7","orderingKey":"k","publishTime":"2021-02-26T19:13:55.749Z"},"subscription":"projects/p/subscriptions/s"}`,
		base64.StdEncoding.EncodeToString([]byte(data)), asJSON(attributes))
}

// Eventarc's Pub/Sub trigger sends the push as the data of a CloudEvent.
func TestAPushInACloudEvent(t *testing.T) {
	t.Parallel()
	push := pushWith("hi", map[string]string{"a": "b"})
	for name, c := range map[string]struct {
		header map[string][]string
		body   string
	}{
		"binary":      {binaryOf("Content-Type", "application/json"), push},
		"structured":  {structured, `{"specversion":"1.0","id":"1","source":"//s","type":"t","data":` + push + `}`},
		"data_base64": {structured, `{"specversion":"1.0","id":"1","source":"//s","type":"t","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(push)) + `"}`},
	} {
		got, err := event.Decode(c.header, []byte(c.body))
		require.NoError(t, err, name)
		require.Equal(t, "ce:3://s1", got.Key, name)
		require.NotEmpty(t, got.CloudEvent, name)
		require.False(t, got.Opened, "the endpoint decides")
		require.Equal(t, c.body, string(got.Content), name)
		require.Equal(t, &event.Push{Data: []byte("hi"), PubSub: event.PubSub{
			Subscription: "projects/p/subscriptions/s", MessageID: "7", OrderingKey: "k", PublishTime: "2021-02-26T19:13:55.749Z", Attributes: map[string]string{"a": "b"},
		}}, got.Push, name)
		require.Positive(t, event.Decodings(c.header, []byte(c.body)), name)
	}
}

// Where a header cannot have an attribute, Eventarc sends a push whose message has it. The
// event is the same as over HTTP, so it has the same name and the same content.
func TestACloudEventInAPush(t *testing.T) {
	t.Parallel()
	direct, err := event.Decode(binaryOf("Content-Type", "application/json", "Ce-Subject", "a%20"), []byte(`{"x":1}`))
	require.NoError(t, err)
	got, err := event.Decode(map[string][]string{"Content-Type": {"application/json"}}, []byte(pushWith(`{"x":1}`, map[string]string{
		"ce-specversion": "1.0", "ce-id": "1", "ce-source": "//s", "ce-type": "t", "ce-subject": "a ", "Content-Type": "application/json", "own": "100%",
	})))
	require.NoError(t, err)
	require.Equal(t, direct.Key, got.Key)
	require.Equal(t, direct.CloudEvent, got.CloudEvent)
	require.Equal(t, string(direct.Content), string(got.Content))
	require.True(t, got.Opened)
	require.Equal(t, "100%", got.Push.Attributes["own"])

	inJSON := `{"specversion":"1.0","id":"1","source":"//s","type":"t"}`
	got, err = event.Decode(nil, []byte(pushWith(inJSON, map[string]string{"content-type": "application/cloudevents+json"})))
	require.NoError(t, err)
	require.Equal(t, direct.Key, got.Key)
	require.Equal(t, inJSON, string(got.Content))

	own := pushWith("hi", map[string]string{"ce-type": "mine"})
	got, err = event.Decode(nil, []byte(own))
	require.NoError(t, err, "the names of a message's attributes are free")
	require.Nil(t, got.CloudEvent)
	require.Equal(t, own, string(got.Content))

	bad := pushWith("hi", map[string]string{"ce-specversion": "1.0", "ce-type": "t"})
	got, err = event.Decode(nil, []byte(bad))
	require.ErrorContains(t, err, `"id" must be`)
	require.Equal(t, bad, string(got.Content))
	require.Contains(t, got.Key, "pubsub:")
}
