package client

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// golden returns a message as the server's own tests have it.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../internal/gate/message/testdata/" + name + ".json")
	require.NoError(t, err)
	return b
}

func TestEveryFormatDecodes(t *testing.T) {
	t.Parallel()
	first, last := time.Date(2023, 1, 12, 10, 58, 1, 618171000, time.UTC), time.Date(2023, 1, 12, 11, 6, 19, 432117000, time.UTC)
	for _, name := range []string{"whole", "eventsync-1", "eventsync-2"} {
		m, err := ParseMessage(golden(t, name))
		require.NoError(t, err, name)
		require.Equal(t, "d41d8cd98f00b204e9800998ecf8427e", m.EventID)
		require.Equal(t, last.Add(time.Second), m.Date)
		require.Equal(t, "My First <Event> Sync", m.ServiceName)
		require.Equal(t, "window", m.TriggerType)
		require.Empty(t, m.ContentURL)
		two := m.Events["entry2"]
		require.Equal(t, first, two.FirstEventDate, name)
		require.Equal(t, last, two.LastEventDate)
		require.Equal(t, 3, two.NumberOfEvents)
		body, err := m.Events["entry1"].Events[0].Body()
		require.NoError(t, err)
		require.Equal(t, "New test1 <&>\x00 é", string(body))
		require.Equal(t, map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}}, m.Events["entry1"].Events[0].Headers)
		require.Equal(t, Events{MinNbOfOccurrence: m.Events["none"].MinNbOfOccurrence, EventToSend: m.Events["none"].EventToSend}, m.Events["none"])
		require.Equal(t, name != "eventsync-1", two.EventToSend == "LAST" && two.Events[0].HTTPMethod == "PUT")
		if name == "whole" {
			body, err = two.Events[0].Body()
			require.NoError(t, err)
			require.Equal(t, []byte{0xff, 0}, body)
			require.Equal(t, "q=%ff", two.Events[0].RawQuery)
			require.JSONEq(t, `"7"`, string(two.Events[0].CloudEvent["id"]))
		}
	}
	for name, events := range map[string]int{"nocontent": 1, "noevents": 0} {
		m, err := ParseMessage(golden(t, name))
		require.NoError(t, err)
		require.Equal(t, "/messages/x", m.ContentURL)
		require.Len(t, m.Events["entry1"].Events, events)
		require.Equal(t, 1, m.Events["entry1"].NumberOfEvents)
	}
}

func TestWindowOfAMessage(t *testing.T) {
	t.Parallel()
	m, err := ParseMessage([]byte(`{"eventID":"x","correlationKey":"17","completion":"partial","reason":"late","missing":[{"eventKey":"b","have":1,"need":2}],
		"window":{"opened":"2026-05-01T12:00:00Z","closes":"2026-05-01T13:00:00Z"},"events":{},"new":[{}]}`))
	require.NoError(t, err, "a field that Headgate adds stops no message")
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	require.Equal(t, &Message{
		EventID: "x", CorrelationKey: "17", Completion: "partial", Reason: "late", Missing: []Shortfall{{"b", 1, 2}},
		Window: &Window{at, at.Add(time.Hour)}, Events: map[string]Events{},
	}, m)
}

func TestAPushInsideAMessage(t *testing.T) {
	t.Parallel()
	m, err := ParseMessage([]byte(`{"eventID":"x","events":{"a":{"events":[{"content":"hello","pubsub":{"subscription":"s","messageId":"1","publishTime":"2026-05-01T12:00:00.1Z","orderingKey":"k","attributes":{"a":"b"}}}]}}}`))
	require.NoError(t, err)
	require.Equal(t, &PubSub{"s", "1", "2026-05-01T12:00:00.1Z", "k", map[string]string{"a": "b"}}, m.Events["a"].Events[0].PubSub)
}

func TestWhatIsNoMessageIsPermanent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "hello", "null", "[]", "7", `{"a":1}`, `{"eventID":7,"events":{}}`, `{"eventID":"","events":{}}`, `{"eventID":"x"}`, `{"eventID":"x","events":null}`, `{"eventID":"x","events":[]}`,
		`{"eventID":"a\u0000b","events":{}}`, `{"eventID":"` + strings.Repeat("x", 256) + `","events":{}}`, `{"eventID":"x","events":{}} x`, `{"eventID":"x","events":{}`,
	} {
		m, err := ParseMessage([]byte(text))
		require.Error(t, err, text)
		require.True(t, IsPermanent(err), text)
		require.Nil(t, m)
	}
	_, err := PublishedEvent{ContentEncoding: "gzip"}.Body()
	require.Error(t, err)
	_, err = PublishedEvent{ContentEncoding: "base64", Content: "%"}.Body()
	require.Error(t, err)
}

// A message that is decoded, encoded and decoded again is the same, so a consumer may keep it
// as JSON. No input makes the decoder panic.
func FuzzParseMessage(f *testing.F) {
	for _, name := range []string{"whole", "eventsync-1", "eventsync-2", "nocontent", "noevents"} {
		f.Add(golden(f, name))
	}
	f.Add([]byte(`{"eventID":"x","EVENTID":"y","events":{"a":{"Events":[{"content":"/w==","contentEncoding":"base64"}]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseMessage(data)
		if err != nil {
			require.True(t, IsPermanent(err))
			return
		}
		require.NotEmpty(t, m.EventID)
		for _, list := range m.Events {
			for _, e := range list.Events {
				if body, err := e.Body(); err == nil && e.ContentEncoding == "" {
					require.Equal(t, e.Content, string(body))
				}
			}
		}
		again, err := json.Marshal(m)
		if err != nil { // a date that JSON cannot say
			return
		}
		back, err := ParseMessage(again)
		require.NoError(t, err, "%s", again)
		third, err := json.Marshal(back)
		require.NoError(t, err)
		require.JSONEq(t, string(again), string(third))
	})
}

// Whatever a push holds, its data come out as they went in.
func FuzzUnwrap(f *testing.F) {
	f.Add([]byte("hello"), []byte(`{"eventID":"x"}`))
	f.Add([]byte(`{"eventID":"x","events":{}}`), []byte(`{"message":{"data":"aGVsbG8="}}`))
	f.Fuzz(func(t *testing.T, data, other []byte) {
		body, err := json.Marshal(map[string]any{"message": map[string]any{"data": data, "messageId": "1", "attributes": map[string]string{"a": "b"}}, "subscription": "s"})
		require.NoError(t, err)
		got, attributes, err := unwrap(body)
		require.NoError(t, err)
		require.Equal(t, string(data), string(got))
		require.Equal(t, map[string]string{"a": "b"}, attributes)
		if _, _, err = unwrap(other); err != nil {
			require.True(t, IsPermanent(err))
		}
	})
}
