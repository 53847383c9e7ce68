package functions

import (
	"time"

	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// The types here describe what no Go type of a use case says: messages are written one
// event at a time, and some bodies are read in more than one form.

// wholeMessage is a message as internal/gate/message writes it.
type wholeMessage struct {
	EventID     string    `json:"eventID" description:"The id that consumers deduplicate on."`
	Date        time.Time `json:"date" description:"When the events were claimed."`
	ServiceName string    `json:"serviceName"`
	TriggerType string    `json:"triggerType" enum:"window,none"`
	*windowOfWholeMessage
	Events map[string]eventList `json:"events" description:"By eventKey."`
}

// windowOfWholeMessage is present where a service has correlation, deadlines or a condition.
type windowOfWholeMessage struct {
	CorrelationKey string             `json:"correlationKey,omitempty" description:"What the events share."`
	Completion     store.Completion   `json:"completion" enum:"complete,partial,manual,deadLetter" description:"Why the message was published: its window was complete, closed before it was complete, or was released by hand."`
	Reason         string             `json:"reason,omitempty" description:"Why a single event went to the dead letters: the field of the configuration whose expression fails, late or noRoute."`
	Missing        []window.Shortfall `json:"missing,omitempty" description:"What the window lacked."`
	Window         *windowTimes       `json:"window,omitempty" description:"When the window was open. Absent where each event leaves by itself."`
}

type windowTimes struct {
	Opened time.Time `json:"opened"`
	Closes time.Time `json:"closes"`
}

// eventList is one endpoint's part of a message.
type eventList struct {
	FirstEventDate    time.Time      `json:"FirstEventDate,omitzero" description:"The name that EventSync's document has. Absent in messageFormat eventsync-2."`
	EarliestDate      time.Time      `json:"firstEventDate,omitzero" description:"The same time under the name that EventSync's later versions write. Absent in messageFormat eventsync-1."`
	LastEventDate     time.Time      `json:"lastEventDate,omitzero"`
	NumberOfEvents    int            `json:"numberOfEvents" description:"Events of the window, sent or not."`
	MinNbOfOccurrence int            `json:"minNbOfOccurrence,omitempty" description:"Absent in messageFormat eventsync-1."`
	EventToSend       string         `json:"eventToSend,omitempty" description:"Absent in messageFormat eventsync-1." enum:"ALL,FIRST,LAST,BOUNDARIES"`
	Events            []messageEvent `json:"events,omitempty"`
}

// messageEvent is an event in a message.
type messageEvent struct {
	ID              string              `json:"id,omitempty" description:"Absent in EventSync's formats."`
	Datetime        time.Time           `json:"datetime" description:"When it was received."`
	EventKey        string              `json:"eventKey"`
	Headers         map[string][]string `json:"headers,omitempty" description:"Absent in messageFormat eventsync-2 if there are none."`
	QueryParams     map[string][]string `json:"queryParams,omitempty" description:"Absent in messageFormat eventsync-2 if there are none."`
	RawQuery        string              `json:"rawQuery,omitempty" description:"The query as it came, without credentials, where queryParams cannot say it exactly."`
	Redacted        []string            `json:"redacted,omitempty" description:"What was left out as a credential: names of headers, names of query parameters after ?, and ?@ for the user and password of a URL."`
	Content         string              `json:"content" description:"The body."`
	ContentEncoding string              `json:"contentEncoding,omitempty" enum:"base64" description:"Present where the body is not valid UTF-8."`
	HTTPMethod      string              `json:"httpMethod,omitempty" description:"Absent in messageFormat eventsync-1."`
	CloudEvent      map[string]any      `json:"cloudEvent,omitempty" description:"The attributes of a CloudEvent, without its data."`
	PubSub          *event.PubSub       `json:"pubsub,omitempty" description:"What the Pub/Sub push that carried the event says, if the content is its data. Without credentials."`
}

// taskList is the body of a webhook of the source of truth.
type taskList struct {
	Data map[string]task `json:"data" description:"Every task of the list, by id."`
}

type task struct {
	Name     string  `json:"name"`
	Priority float64 `json:"priority"`
}

// pushBody is the body of a Pub/Sub push.
type pushBody struct {
	Message      pushedMessage `json:"message"`
	Subscription string        `json:"subscription,omitempty"`
}

type pushedMessage struct {
	MessageID  string            `json:"messageId"`
	Data       string            `json:"data,omitempty" description:"Base64."`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// problemJSON is RFC 9457's object, as internal/platform/web writes it.
type problemJSON struct {
	Type     string         `json:"type" description:"Always about:blank."`
	Title    string         `json:"title" description:"The status in words."`
	Status   int            `json:"status" description:"The HTTP status."`
	Detail   string         `json:"detail,omitempty" description:"What happened and what to do, for people."`
	Instance string         `json:"instance" description:"The request's id, which the log has as well."`
	Errors   []fault.Detail `json:"errors,omitempty" description:"Every fault of the request, where there may be several."`
}

// draftConflict is a problem that shows the draft.
type draftConflict struct {
	problemJSON
	Draft draft.View `json:"draft" description:"The present draft with its flags."`
}

// definitionForms are the bodies in which a sync's definition is accepted.
var definitionForms = []any{
	schema{"$ref": "#/components/schemas/Sync"},
	schema{
		"description": "OurWater's form.",
		"type":        "object", "required": []string{"data"}, "additionalProperties": false,
		"properties": schema{"data": schema{"$ref": "#/components/schemas/Sync"}},
	},
	schema{
		"description": "DataCollect's form. It goes both ways, in the organisation `default`, unless it says otherwise.",
		"type":        "object", "required": []string{"externalSync"}, "additionalProperties": false,
		"properties": besideExternal(schema{"externalSync": schema{"$ref": "#/components/schemas/Datasource"}, "type": schema{"enum": []string{"pull", "push", "both"}}}),
	},
	schema{
		"description": "DataCollect's configuration as it is. Its `type` is that of the system.",
		"type":        "object", "required": []string{"type", "url", "extraFields"}, "additionalProperties": false,
		"properties": besideExternal(schema{
			"type": schema{"type": "string"}, "url": schema{"type": "string"}, "auth": schema{"type": "string"}, "options": schema{"type": "object"},
			"extraFields": schema{"type": "array", "items": schema{"type": "object", "required": []string{"name", "value"}, "properties": schema{"name": schema{"type": "string"}, "value": schema{"type": "string"}}}},
		}),
	},
}

// besideExternal adds what may stand beside DataCollect's configuration.
func besideExternal(properties schema) schema {
	for _, name := range []string{"id", "orgId", "name", "frequency", "timeZone", "conflict", "overlap"} {
		properties[name] = schema{"type": "string"}
	}
	properties["isOneTime"] = schema{"type": "boolean"}
	properties["maxRejected"], properties["maxDeletes"] = schema{"type": "number"}, schema{"type": "number"}
	properties["mapping"] = schema{"type": "object"}
	return properties
}
