package message_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/message"
)

// A consumer that was written for EventSync reads our message: one for its document (old) or
// for its later versions (new), that refuses fields which it does not know (strict) or
// ignores them (loose). A strict one needs its messageFormat. A loose one reads all formats
// of its age, and the default one, also if it minds the letter case, as JavaScript does.
func TestEventSyncConsumers(t *testing.T) {
	t.Parallel()
	old := func(t *testing.T, m message1) {
		require.Equal(t, "d41d8cd98f00b204e9800998ecf8427e", m.EventID)
		require.Equal(t, head.Date, m.Date)
		require.Equal(t, "My First <Event> Sync", m.ServiceName)
		require.Equal(t, "window", m.TriggerType)
		one := m.Events["entry1"]
		require.Equal(t, list1{First: t1, Last: t1, NumberOfEvents: 1, Events: one.Events}, one)
		require.Equal(t, []event1{{
			Datetime: t1, EventKey: "entry1", Content: "New test1 <&>\x00 é",
			Headers: events["1"].Meta.Headers, QueryParams: events["1"].Meta.Query,
		}}, one.Events)
		require.Equal(t, list1{}, m.Events["none"], "an endpoint without events is in the message")
	}
	recent := func(t *testing.T, m message2) {
		require.Equal(t, "d41d8cd98f00b204e9800998ecf8427e", m.EventID)
		require.Equal(t, head.Date, m.Date)
		require.Equal(t, "My First <Event> Sync", m.ServiceName)
		require.Equal(t, "window", m.TriggerType)
		one := m.Events["entry1"]
		require.Equal(t, list2{First: t1, Last: t1, NumberOfEvents: 1, MinNbOfOccurrence: 1, EventToSend: "ALL", Events: one.Events}, one)
		require.Equal(t, []event2{{
			Datetime: t1, EventKey: "entry1", Content: "New test1 <&>\x00 é", Method: "POST",
			Headers: events["1"].Meta.Headers, QueryParams: events["1"].Meta.Query,
		}}, one.Events)
		require.Equal(t, list2{MinNbOfOccurrence: 2, EventToSend: "ALL"}, m.Events["none"])
	}
	// exactly returns the fields of an endpoint's list and of its first event, as a consumer
	// sees them that minds the letter case.
	exactly := func(t *testing.T, f message.Format) (list, first map[string]any) {
		var m struct{ Events map[string]map[string]any }
		require.NoError(t, json.Unmarshal(written(t, f), &m))
		list = m.Events["entry1"]
		return list, list["events"].([]any)[0].(map[string]any)
	}
	t.Run("strict, old", func(t *testing.T) {
		t.Parallel()
		var m message1
		strictly(t, written(t, message.EventSync1), &m)
		old(t, m)
	})
	t.Run("strict, new", func(t *testing.T) {
		t.Parallel()
		var m message2
		strictly(t, written(t, message.EventSync2), &m)
		recent(t, m)
	})
	t.Run("loose, old", func(t *testing.T) {
		t.Parallel()
		for _, f := range []message.Format{"", message.Headgate, message.EventSync1} {
			var m message1
			require.NoError(t, json.Unmarshal(written(t, f), &m))
			old(t, m)
			list, first := exactly(t, f)
			for _, name := range []string{"FirstEventDate", "lastEventDate", "numberOfEvents", "events"} {
				require.Contains(t, list, name, f)
			}
			for _, name := range []string{"datetime", "eventKey", "headers", "queryParams", "content"} {
				require.Contains(t, first, name, f)
			}
		}
	})
	t.Run("loose, new", func(t *testing.T) {
		t.Parallel()
		for _, f := range []message.Format{"", message.Headgate, message.EventSync2} {
			var m message2
			require.NoError(t, json.Unmarshal(written(t, f), &m))
			recent(t, m)
			list, first := exactly(t, f)
			for _, name := range []string{"firstEventDate", "lastEventDate", "numberOfEvents", "minNbOfOccurrence", "eventToSend", "events"} {
				require.Contains(t, list, name, f)
			}
			for _, name := range []string{"datetime", "eventKey", "headers", "queryParams", "content", "httpMethod"} {
				require.Contains(t, first, name, f)
			}
		}
	})
	// A loose consumer of the document's age may look into headers and queryParams without
	// asking whether they are there.
	t.Run("loose, old: headers and queryParams are there also if they are empty", func(t *testing.T) {
		t.Parallel()
		for _, f := range []message.Format{"", message.Headgate, message.EventSync1} {
			var m struct {
				Events map[string]struct{ Events []map[string]any }
			}
			require.NoError(t, json.Unmarshal(written(t, f), &m))
			for _, e := range m.Events["entry2"].Events {
				require.Contains(t, e, "headers", f)
				require.Contains(t, e, "queryParams", f)
			}
		}
	})
}
