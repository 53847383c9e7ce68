package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/headgate/headgate/internal/sync/source"
)

// Decode reads a definition in any of its forms: a Sync, {"data": Sync}, or
// DataCollect's {"externalSync": {…}}. Unknown fields are faults.
func Decode(body []byte) (*Sync, error) {
	var form struct {
		Data         json.RawMessage `json:"data"`
		ExternalSync json.RawMessage `json:"externalSync"`
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return nil, invalidSync(jsonFault("", body, err))
	}
	switch {
	case form.ExternalSync != nil:
		return decodeExternal(body)
	case form.Data != nil:
		var only struct {
			Data json.RawMessage `json:"data"`
		}
		if err := strict(body, &only); err != nil {
			return nil, invalidSync(jsonFault("", body, err))
		}
		body = only.Data
	}
	s := new(Sync)
	if err := strict(body, s); err != nil {
		return nil, invalidSync(jsonFault("", body, err))
	}
	return s, nil
}

// decodeExternal turns DataCollect's configuration into a sync of its events in
// both directions. Its organisation is "default" unless the configuration names one:
// DataCollect knows no organisations.
func decodeExternal(body []byte) (*Sync, error) {
	var e struct {
		ID           string            `json:"id"`
		OrgID        string            `json:"orgId"`
		Name         string            `json:"name"`
		Frequency    string            `json:"frequency"`
		TimeZone     string            `json:"timeZone"`
		ExternalSync source.Datasource `json:"externalSync"`
	}
	if err := strict(body, &e); err != nil {
		return nil, invalidSync(jsonFault("", body, err))
	}
	if e.OrgID == "" {
		e.OrgID = "default"
	}
	return &Sync{
		ID: e.ID, OrgID: e.OrgID, Name: e.Name, Frequency: e.Frequency, TimeZone: e.TimeZone,
		Type: Both, Datasource: e.ExternalSync,
	}, nil
}

// strict decodes exactly one JSON value and refuses unknown fields: a misspelt
// field would otherwise be ignored, and its default would hold unseen.
func strict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// jsonFault says where in the body decoding failed.
func jsonFault(path string, body []byte, err error) source.Fault {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := body[:min(int(syntax.Offset), len(body))]
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n') - 1
		return source.Fault{Path: path, Message: fmt.Sprintf("not JSON: line %d, column %d: %s", line, column, syntax)}
	}
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return source.Fault{Path: typed.Field, Message: fmt.Sprintf("a JSON %s does not belong here", typed.Value)}
	}
	message := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(message, "unknown field "); ok {
		return source.Fault{Path: path + strings.Trim(name, `"`), Message: "is not a field that is known here"}
	}
	return source.Fault{Path: path, Message: message}
}
