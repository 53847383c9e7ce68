package definition

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// Decode reads a definition in any of its forms: a Sync, {"data": Sync}, or DataCollect's
// configuration, which has extraFields, with or without {"externalSync": …} around it. Unknown fields are faults: a misspelt field would
// otherwise be ignored, and its default would hold unseen. An error has all faults of the
// text, and none of those that Check finds.
func Decode(body []byte) (*Sync, error) {
	def, f := read(body)
	if faults := f.Details(); len(faults) > 0 {
		return nil, invalidSync(faults...)
	}
	return def, nil
}

// Decode reads a definition as the function Decode does. Where the text has faults, the
// error has those as well that Check finds in what could be read, so that a person sees
// all of them at once.
func (s *Service) Decode(body []byte) (*Sync, error) {
	def, f := read(body)
	if len(f.Details()) == 0 {
		return def, nil
	}
	for _, one := range s.Check(def) {
		f.Add(one.Path, "%s", one.Message)
	}
	return nil, invalidSync(f.Details()...)
}

func read(body []byte) (*Sync, *decode.Faults) {
	f := &decode.Faults{AnyCase: true}
	var form struct {
		Data         json.RawMessage `json:"data"`
		ExternalSync json.RawMessage `json:"externalSync"`
		Datasource   json.RawMessage `json:"datasource"`
		ExtraFields  json.RawMessage `json:"extraFields"`
	}
	_ = json.Unmarshal(body, &form) // of another form: f says so below
	if form.Data != nil && form.ExternalSync == nil {
		var only struct {
			Data json.RawMessage `json:"data"`
		}
		f.Decode("", body, &only)
		body, form.ExtraFields = only.Data, nil
		_ = json.Unmarshal(body, &form)
	}
	switch {
	case form.ExternalSync != nil:
		return readExternal(f, body), f
	case form.ExtraFields != nil && form.Datasource == nil:
		return readBareExternal(f, body), f
	}
	return readOurWater(f, body), f
}

// beside has the settings of a sync that may stand beside DataCollect's configuration. Its
// organisation is "default" unless they name one: DataCollect knows no organisations.
type beside struct {
	ID          string                   `json:"id"`
	OrgID       string                   `json:"orgId" default:"default"`
	Name        string                   `json:"name"`
	IsOneTime   bool                     `json:"isOneTime"`
	Frequency   string                   `json:"frequency"`
	TimeZone    string                   `json:"timeZone"`
	Mapping     map[string]*mapping.Type `json:"mapping"`
	Conflict    Rule                     `json:"conflict"`
	MaxRejected *float64                 `json:"maxRejected"`
	MaxDeletes  *float64                 `json:"maxDeletes"`
	// Overlap is that of the cursor of events: for how long clients may be offline.
	Overlap string `json:"overlap"`
}

// readExternal turns {"externalSync": configuration} into a sync of its events.
func readExternal(f *decode.Faults, body []byte) *Sync {
	var e struct {
		beside
		Type         Direction         `json:"type" default:"both"`
		ExternalSync source.Datasource `json:"externalSync"`
	}
	f.Decode("", body, &e)
	return e.sync(f, e.Type, e.ExternalSync)
}

// readBareExternal reads DataCollect's configuration without the member around it. Its type
// is that of the adapter, so the sync goes in both directions.
func readBareExternal(f *decode.Faults, body []byte) *Sync {
	var e struct {
		beside
		source.Datasource
	}
	f.Decode("", body, &e)
	return e.sync(f, Both, e.Datasource)
}

func (b *beside) sync(f *decode.Faults, direction Direction, d source.Datasource) *Sync {
	for i, field := range d.ExtraFields {
		if field.Name != "syncInterval" || b.Frequency != "" {
			continue
		}
		if b.Frequency = every(field.Value); b.Frequency == "" {
			f.Add(decode.Member(decode.Index("extraFields", i), "value"), "syncInterval must be milliseconds that make whole minutes of which an hour, or hours of which a day, is a multiple: otherwise take frequency")
		}
	}
	if b.Overlap != "" {
		const event = "event" // the only datatype of such a system
		if b.Mapping == nil {
			b.Mapping = make(map[string]*mapping.Type)
		}
		if b.Mapping[event] == nil {
			b.Mapping[event] = new(mapping.Type)
		}
		if b.Mapping[event].Cursor != nil {
			f.Add("overlap", "stands in mapping.event.cursor already")
		} else {
			b.Mapping[event].Cursor = &mapping.Cursor{Time: "timestamp", Overlap: b.Overlap}
		}
	}
	return &Sync{
		ID: b.ID, OrgID: b.OrgID, Name: b.Name, IsOneTime: b.IsOneTime, Frequency: b.Frequency, TimeZone: b.TimeZone, Type: direction,
		Datasource: d, Mapping: b.Mapping, Conflict: b.Conflict, MaxRejected: b.MaxRejected, MaxDeletes: b.MaxDeletes,
	}
}

// every returns the cron expression of an interval in milliseconds; "" if there is none.
func every(milliseconds string) string {
	ms, err := strconv.ParseInt(milliseconds, 10, 64)
	minutes := ms / 60_000
	switch hours := minutes / 60; {
	case err != nil || ms <= 0 || ms%60_000 != 0 || minutes > 24*60:
		return ""
	case minutes < 60 && 60%minutes == 0:
		return fmt.Sprintf("*/%d * * * *", minutes)
	case minutes == 24*60:
		return frequencies["daily"]
	case minutes%60 == 0 && 24%hours == 0:
		return fmt.Sprintf("0 */%d * * *", hours)
	}
	return ""
}
