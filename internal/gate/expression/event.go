package expression

import (
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/cel"
)

// Event is an event as expressions see it. A part of it is converted when the first
// expression reads it, and once for all expressions. So an Event is not safe for
// concurrent use, and its Content must not change.
//
// A body is parsed whole, whatever its size: the service has bounded it. The index of it
// has 12 bytes for each value and each name, so at most 6 for each byte of the body
// ("[1,1,1,…"), and in most bodies less than the body itself. Values are made when they
// are read. With the body, all of it is less than budget.OfJSON counts.
type Event struct {
	EventKey   string
	ReceivedAt time.Time
	Meta       event.Meta        // as it is stored: without credentials
	Content    []byte            // as it is stored
	Attributes map[string]string // of a Pub/Sub push

	made    [len(declarations)]ref.Val // the fields that were read
	invalid error                      // why the body is null, if it is
}

// body returns the body as JSON. A body that is not JSON is null: many events have none,
// and most expressions do not read it.
func (e *Event) body() ref.Val {
	v, err := cel.JSON(e.Content)
	if err != nil {
		e.invalid = err
		return types.NullValue
	}
	return v
}

// why says more about a failure, if the body may be the reason.
func (e *Event) why() string {
	if e.invalid == nil {
		return ""
	}
	return "; the body is null, because " + e.invalid.Error()
}

// text returns the body as text. Bytes that are not UTF-8 are read as ISO-8859-1, as in
// headers.
func (e *Event) text() ref.Val { return types.String(event.Text(string(e.Content))) }

func (e *Event) headers() ref.Val    { return &byName{values: e.Meta.Headers, first: true} }
func (e *Event) headersAll() ref.Val { return &byName{values: e.Meta.Headers} }
func (e *Event) query() ref.Val      { return &byName{values: e.Meta.Query, first: true} }
func (e *Event) queryAll() ref.Val   { return &byName{values: e.Meta.Query} }
func (e *Event) method() ref.Val     { return types.String(e.Meta.Method) }
func (e *Event) eventKey() ref.Val   { return types.String(e.EventKey) }
func (e *Event) receivedAt() ref.Val { return types.Timestamp{Time: e.ReceivedAt.UTC()} }

func (e *Event) attributes() ref.Val {
	return sorted{types.NewStringStringMap(types.DefaultTypeAdapter, e.Attributes)}
}

func (e *Event) cloudEvent() ref.Val {
	attributes := make(map[string]any, len(e.Meta.CloudEvent))
	for name, raw := range e.Meta.CloudEvent {
		if v, err := cel.JSON(raw); err == nil {
			attributes[name] = v
		}
	}
	return sorted{types.NewStringInterfaceMap(types.DefaultTypeAdapter, attributes)}
}
