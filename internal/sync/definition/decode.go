package definition

import (
	"encoding/json"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/sync/source"
)

// Decode reads a definition in any of its forms: a Sync, {"data": Sync}, or
// DataCollect's {"externalSync": {…}}. Unknown fields are faults: a misspelt field would
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
	}
	_ = json.Unmarshal(body, &form) // of another form: f says so below
	switch {
	case form.ExternalSync != nil:
		return readExternal(f, body), f
	case form.Data != nil:
		var only struct {
			Data json.RawMessage `json:"data"`
		}
		f.Decode("", body, &only)
		body = only.Data
	}
	def := new(Sync)
	f.Decode("", body, def)
	return def, f
}

// readExternal turns DataCollect's configuration into a sync of its events in
// both directions. Its organisation is "default" unless the configuration names one:
// DataCollect knows no organisations.
func readExternal(f *decode.Faults, body []byte) *Sync {
	var e struct {
		ID           string            `json:"id"`
		OrgID        string            `json:"orgId" default:"default"`
		Name         string            `json:"name"`
		Frequency    string            `json:"frequency"`
		TimeZone     string            `json:"timeZone"`
		ExternalSync source.Datasource `json:"externalSync"`
	}
	f.Decode("", body, &e)
	return &Sync{
		ID: e.ID, OrgID: e.OrgID, Name: e.Name, Frequency: e.Frequency, TimeZone: e.TimeZone,
		Type: Both, Datasource: e.ExternalSync,
	}
}
