package message

// Format states which fields a message has.
type Format string

// The formats. EventSync's have exactly the fields of its own messages, for consumers that
// refuse a field that they do not know.
const (
	Headgate   Format = "headgate"    // both spellings of the first date, and our fields
	EventSync1 Format = "eventsync-1" // the fields of EventSync's document: FirstEventDate
	EventSync2 Format = "eventsync-2" // the fields of its later versions: firstEventDate
)

// Strict reports whether the format has EventSync's fields only. A strict message is always
// whole: a consumer could not tell a claim check from a message whose events have no body.
func (f Format) Strict() bool { return f == EventSync1 || f == EventSync2 }

// shown returns the fields of an event that the format has.
func (f Format) shown(e eventJSON) eventJSON {
	if !f.Strict() {
		return e
	}
	one := eventJSON{Datetime: e.Datetime, EventKey: e.EventKey, Headers: e.Headers, QueryParams: e.QueryParams, Content: e.Content}
	if f == EventSync2 { // its later versions also omit what is empty
		one.HTTPMethod = e.HTTPMethod
		if len(one.Headers) == 0 {
			one.Headers = nil
		}
		if len(one.QueryParams) == 0 {
			one.QueryParams = nil
		}
	}
	return one
}
