package message_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/message"
)

// The types of EventSync's consumers. The tags are the fields of its document (1) and of its
// later versions (2); a map keeps the letter case that Go's decoder ignores.
type (
	message1 struct {
		EventID     string           `json:"eventID"`
		Date        time.Time        `json:"date"`
		ServiceName string           `json:"serviceName"`
		TriggerType string           `json:"triggerType"`
		Events      map[string]list1 `json:"events"`
	}
	list1 struct {
		First          time.Time `json:"FirstEventDate"`
		Last           time.Time `json:"lastEventDate"`
		NumberOfEvents int       `json:"numberOfEvents"`
		Events         []event1  `json:"events"`
	}
	event1 struct {
		Datetime    time.Time           `json:"datetime"`
		EventKey    string              `json:"eventKey"`
		Headers     map[string][]string `json:"headers"`
		QueryParams map[string][]string `json:"queryParams"`
		Content     string              `json:"content"`
	}
	message2 struct {
		EventID     string           `json:"eventID"`
		Date        time.Time        `json:"date"`
		ServiceName string           `json:"serviceName"`
		TriggerType string           `json:"triggerType"`
		Events      map[string]list2 `json:"events"`
	}
	list2 struct {
		First             time.Time `json:"firstEventDate"`
		Last              time.Time `json:"lastEventDate"`
		NumberOfEvents    int       `json:"numberOfEvents"`
		MinNbOfOccurrence int       `json:"minNbOfOccurrence"`
		EventToSend       string    `json:"eventToSend"`
		Events            []event2  `json:"events"`
	}
	event2 struct {
		Datetime    time.Time           `json:"datetime"`
		EventKey    string              `json:"eventKey"`
		Headers     map[string][]string `json:"headers"`
		QueryParams map[string][]string `json:"queryParams"`
		Content     any                 `json:"content"`
		Method      string              `json:"httpMethod"`
	}
)

// fullHead has every field that a message can have.
func fullHead(f message.Format) message.Head {
	h := head
	h.Format = f
	h.Window = &message.Window{
		CorrelationKey: "17", Completion: "partial", Missing: []message.Shortfall{{EventKey: "none", Need: 2}},
		Window: &message.Times{Opened: t1, Closes: t2},
	}
	return h
}

func written(t *testing.T, f message.Format) []byte {
	var buf bytes.Buffer
	require.NoError(t, message.Write(&buf, fullHead(f), lists, message.Whole, fetch))
	return buf.Bytes()
}

func strictly(t *testing.T, data []byte, into any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(into))
}

func TestEventSyncFormatsAreGolden(t *testing.T) {
	t.Parallel()
	for _, f := range []message.Format{message.EventSync1, message.EventSync2} {
		var pretty bytes.Buffer
		require.NoError(t, json.Indent(&pretty, written(t, f), "", "  "))
		path := "testdata/" + string(f) + ".json"
		if *update {
			require.NoError(t, os.WriteFile(path, pretty.Bytes(), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), pretty.String(), f)
	}
}

func TestStrictConsumersDecodeEventSyncFormats(t *testing.T) {
	t.Parallel()
	var one message1
	data := written(t, message.EventSync1)
	strictly(t, data, &one)
	require.Equal(t, t1, one.Events["entry1"].First)
	require.Equal(t, "New test1 <&>\x00 é", one.Events["entry1"].Events[0].Content)
	require.Contains(t, string(data), `"FirstEventDate"`)
	require.NotContains(t, string(data), `"firstEventDate"`)
	require.Contains(t, string(data), `"headers":{}`, "the document knows no omitted field of an event")

	var two message2
	data = written(t, message.EventSync2)
	strictly(t, data, &two)
	require.Equal(t, t1, two.Events["entry1"].First)
	require.Equal(t, "ALL", two.Events["entry1"].EventToSend)
	require.Equal(t, 2, two.Events["none"].MinNbOfOccurrence)
	require.Equal(t, "POST", two.Events["entry1"].Events[0].Method)
	require.Contains(t, string(data), `"firstEventDate"`)
	require.NotContains(t, string(data), `"FirstEventDate"`)
	require.NotContains(t, string(data), `"headers":{}`)
}

// TestDefaultFormatHasBothSpellings is for consumers that mind the letter case.
func TestDefaultFormatHasBothSpellings(t *testing.T) {
	t.Parallel()
	for _, f := range []message.Format{"", message.Headgate} {
		var m struct {
			Events map[string]map[string]any
		}
		require.NoError(t, json.Unmarshal(written(t, f), &m))
		require.NotEmpty(t, m.Events["entry1"]["FirstEventDate"])
		require.Equal(t, m.Events["entry1"]["FirstEventDate"], m.Events["entry1"]["firstEventDate"])
		require.NotContains(t, m.Events["none"], "firstEventDate")
	}
}

func TestEventSyncFormatsHaveNoClaimCheck(t *testing.T) {
	t.Parallel()
	for _, form := range []message.Form{message.NoContent, message.NoEvents} {
		var buf bytes.Buffer
		err := message.Write(&buf, fullHead(message.EventSync2), []event.List{}, form, fetch)
		require.ErrorIs(t, err, message.ErrTooLarge)
		require.Empty(t, buf.Bytes())
	}
}
