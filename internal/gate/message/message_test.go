package message_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/message"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	t1 = time.Date(2023, 1, 12, 10, 58, 1, 618171000, time.UTC)
	t2 = time.Date(2023, 1, 12, 11, 6, 19, 432117000, time.UTC)

	head = message.Head{
		EventID: "d41d8cd98f00b204e9800998ecf8427e", Date: t2.Add(time.Second),
		ServiceName: "My First <Event> Sync", TriggerType: "window", ContentURL: "/messages/x",
	}
	events = map[string]event.Event{
		"1": {ID: "1", Key: "entry1", ReceivedAt: t1, Content: []byte("New test1 <&>\x00 é"), Meta: event.Meta{
			Method: "POST", Headers: map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}},
			Query: map[string][]string{"queryP": {"myQueryP"}},
		}},
		"2": {ID: "2", Key: "entry2", ReceivedAt: t2, Content: []byte{0xff, 0x00}, Meta: event.Meta{
			Method: "PUT", RawQuery: "q=%ff", Query: map[string][]string{"q": {"ÿ"}},
			CloudEvent: map[string]json.RawMessage{"id": json.RawMessage(`"7"`)},
		}},
	}
	lists = []event.List{
		{Key: "entry2", Count: 3, Need: 1, Send: "LAST", First: t1, Last: t2, Included: []event.Ref{{ID: "2"}}},
		{Key: "entry1", Count: 1, Need: 1, Send: "ALL", First: t1, Last: t1, Included: []event.Ref{{ID: "1"}}},
		{Key: "none", Need: 2, Send: "ALL"},
	}
)

func fetch(included []event.Ref) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		for _, ref := range included {
			if !yield(events[ref.ID], nil) {
				return
			}
		}
	}
}

func TestWriteGolden(t *testing.T) {
	t.Parallel()
	for form, name := range map[message.Form]string{
		message.Whole: "whole.json", message.NoContent: "nocontent.json", message.NoEvents: "noevents.json",
	} {
		var buf bytes.Buffer
		require.NoError(t, message.Write(&buf, head, lists, form, fetch))
		require.True(t, json.Valid(buf.Bytes()))
		var pretty bytes.Buffer
		require.NoError(t, json.Indent(&pretty, buf.Bytes(), "", "  "))
		path := "testdata/" + name
		if *update {
			require.NoError(t, os.WriteFile(path, pretty.Bytes(), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), pretty.String(), name)
	}
}

// TestEventSyncConsumer decodes the message into the types of EventSync's documentation.
// Every field of it must be there, under the same name.
func TestEventSyncConsumer(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	require.NoError(t, message.Write(&buf, head, lists, message.Whole, fetch))
	var raw map[string]any
	require.NoError(t, json.Unmarshal(buf.Bytes(), &raw))
	require.Equal(t, "My First <Event> Sync", raw["serviceName"])
	require.Equal(t, "window", raw["triggerType"])
	require.NotContains(t, raw, "contentURL", "a whole message is not a claim check")
	lists := raw["events"].(map[string]any)
	entry1 := lists["entry1"].(map[string]any)
	require.Equal(t, "2023-01-12T10:58:01.618171Z", entry1["FirstEventDate"], "with a capital F")
	require.Equal(t, "2023-01-12T10:58:01.618171Z", entry1["lastEventDate"])
	require.EqualValues(t, 1, entry1["numberOfEvents"])
	e := entry1["events"].([]any)[0].(map[string]any)
	require.Equal(t, "New test1 <&>\x00 é", e["content"])
	require.Equal(t, "entry1", e["eventKey"])
	require.Equal(t, "POST", e["httpMethod"])
	none := lists["none"].(map[string]any)
	require.EqualValues(t, 0, none["numberOfEvents"])
	for _, absent := range []string{"events", "FirstEventDate", "lastEventDate"} {
		require.NotContains(t, none, absent)
	}
}

func TestWriteReturnsErrorsOfFetchAndTheWriter(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	failing := func([]event.Ref) iter.Seq2[event.Event, error] {
		return func(yield func(event.Event, error) bool) { yield(event.Event{}, boom) }
	}
	require.ErrorIs(t, message.Write(&bytes.Buffer{}, head, lists, message.Whole, failing), boom)
	short := func([]event.Ref) iter.Seq2[event.Event, error] { return func(func(event.Event, error) bool) {} }
	require.Error(t, message.Write(&bytes.Buffer{}, head, lists, message.Whole, short), "an event is missing")

	var whole bytes.Buffer
	require.NoError(t, message.Write(&whole, head, lists, message.Whole, fetch))
	for size := range whole.Len() {
		require.ErrorIs(t, message.Write(&message.Limit{Max: size}, head, lists, message.Whole, fetch), message.ErrTooLarge)
	}
	l := &message.Limit{Max: whole.Len()}
	require.NoError(t, message.Write(l, head, lists, message.Whole, fetch))
	require.Equal(t, whole.String(), string(l.Bytes()))
}

func FuzzContentSurvives(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add([]byte{0xff, 0xfe, 0})
	f.Add([]byte("\u2028</script>"))
	f.Fuzz(func(t *testing.T, content []byte) {
		e := event.Event{ID: "1", Key: "k", ReceivedAt: t1, Content: content}
		one := func([]event.Ref) iter.Seq2[event.Event, error] {
			return func(yield func(event.Event, error) bool) { yield(e, nil) }
		}
		var buf bytes.Buffer
		require.NoError(t, message.Write(&buf, head, []event.List{{Key: "k", Count: 1, Included: []event.Ref{{}}}}, message.Whole, one))
		var got struct {
			Events map[string]struct {
				Events []struct {
					Content, ContentEncoding string
					Raw                      []byte `json:"-"`
				}
			}
		}
		require.NoError(t, json.Unmarshal(buf.Bytes(), &got))
		back := got.Events["k"].Events[0]
		if back.ContentEncoding == "base64" {
			var raw []byte
			require.NoError(t, json.NewDecoder(strings.NewReader(`"`+back.Content+`"`)).Decode(&raw))
			require.Equal(t, content, raw)
			return
		}
		require.Equal(t, string(content), back.Content)
	})
}
