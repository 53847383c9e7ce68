package event_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/event"
)

// A record that was written as JSON and read again is the event that was stored.
func TestARecordKeepsTheWholeEvent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOfN(rapid.String(), rapid.SliceOfN(rapid.String(), 1, 2), 1, 3)
		e := event.Event{
			ID: event.DeriveID("s", "e", rapid.String().Draw(t, "name")), Key: rapid.StringN(1, 20, -1).Draw(t, "eventKey"),
			ReceivedAt: time.UnixMicro(rapid.Int64Range(1, 4e15).Draw(t, "receivedAt")).UTC(),
			Content:    rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "content"),
			Meta: event.Meta{
				Method: "POST", Headers: values.Draw(t, "headers"), Query: values.Draw(t, "query"), RawQuery: rapid.String().Draw(t, "raw"),
				Redacted: []string{"?token"}, CloudEvent: map[string]json.RawMessage{"id": json.RawMessage(`"1"`)},
				PubSub: &event.PubSub{OrderingKey: rapid.String().Draw(t, "orderingKey"), Attributes: rapid.MapOfN(rapid.String(), rapid.String(), 1, 3).Draw(t, "attributes")}, CorrelationKey: rapid.String().Draw(t, "key"),
				Traceparent: rapid.String().Draw(t, "traceparent"),
			},
		}
		line, err := json.Marshal(event.RecordOf("orders", e))
		require.NoError(t, err)
		require.NotContains(t, string(line), "\n")
		var read event.Line
		require.NoError(t, json.Unmarshal(line, &read))
		require.Nil(t, read.Broken)
		require.Equal(t, "orders", read.Service)
		got, err := read.Event()
		require.NoError(t, err)
		require.Equal(t, e.MetaJSON(), got.MetaJSON())
		require.Equal(t, string(e.Content), string(got.Content))
		got.Meta, got.Content, e.Meta, e.Content = event.Meta{}, nil, event.Meta{}, nil
		require.Equal(t, e, got)
	})
}

func TestARecordThatNoStoreWroteIsRefused(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"eventKey":"a","receivedAt":"2026-11-27T06:00:00Z","contentEncoding":"base64","content":"%"}`: "not base64",
		`{"eventKey":"a","receivedAt":"2026-11-27T06:00:00Z","contentEncoding":"gzip"}`:                 `"gzip" is unknown`,
		`{"receivedAt":"2026-11-27T06:00:00Z"}`:                                                         "eventKey is missing",
		`{"eventKey":"a"}`:                                                                              "receivedAt is missing",
	} {
		var read event.Line
		require.NoError(t, json.Unmarshal([]byte(line), &read))
		_, err := read.Event()
		require.ErrorContains(t, err, want, line)
	}
}

func TestALineTellsThatTheStreamBrokeOff(t *testing.T) {
	t.Parallel()
	line, err := json.Marshal(event.Broken{Error: "the store did not answer", Next: "abc"})
	require.NoError(t, err)
	var read event.Line
	require.NoError(t, json.Unmarshal(line, &read))
	require.Equal(t, &event.Broken{Error: "the store did not answer", Next: "abc"}, read.Broken)
}

func TestThePushOfARecord(t *testing.T) {
	t.Parallel()
	push := pushWith("hi", map[string]string{"a": "b"})
	for name, c := range map[string]struct {
		record event.Record
		opened bool
	}{
		"unwrapped":       {event.Record{Content: "hi", PubSub: &event.PubSub{Attributes: map[string]string{"a": "b"}}}, true},
		"whole":           {event.Record{Content: push}, false},
		"in a CloudEvent": {event.Record{Headers: structured, Content: `{"specversion":"1.0","data":` + push + `}`}, false},
	} {
		got, opened := c.record.Push([]byte(c.record.Content))
		require.NotNil(t, got, name)
		require.Equal(t, "b", got.Attributes["a"], name)
		require.Equal(t, "hi", string(got.Data), name)
		require.Equal(t, c.opened, opened, name)
	}
	got, _ := event.Record{Content: "hi"}.Push([]byte("hi"))
	require.Nil(t, got)
}
