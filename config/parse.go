package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Error is everything that is wrong with a configuration: at least one fault. The path
// of a fault is that of the value in the document, such as $.endpoints[1].eventKey.
type Error struct{ Faults []fault.Detail }

// Error lists all faults, one per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// flat is a configuration in EventSync's form.
type flat struct {
	Service
	Deployment
}

// Parse decodes and validates a configuration in either form. The error, if
// there is one, is an *Error.
func Parse(data []byte) (*Config, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as some editors save files
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &Error{Faults: []fault.Detail{{Path: "$", Message: "the configuration is empty"}}}
	}
	v := &validator{decode.Faults{Formats: formats, Strict: true, AnyCase: true}}
	c := new(Config)
	if c.flat = !hasServices(data); c.flat {
		var f flat
		v.Decode("$", data, &f)
		c.Services, c.Deployment = []Service{f.Service}, f.Deployment
	} else {
		v.Unknown = misplaced
		v.Decode("$", data, c)
	}
	v.config(c)
	if faults := v.Details(); len(faults) > 0 {
		return nil, &Error{Faults: faults}
	}
	return c, nil
}

// hasServices reports whether the document has the form with a list of services.
func hasServices(data []byte) bool {
	var form struct {
		Services json.RawMessage `json:"services"`
	}
	_ = json.Unmarshal(data, &form) // of another form: Decode says so
	return form.Services != nil
}

// misplaced explains a service's field that stands beside the list of services.
func misplaced(path, name string) string {
	if path != "$" {
		return ""
	}
	for _, f := range decode.FieldsOf(reflect.TypeFor[Service]()) {
		if strings.EqualFold(f.Name, name) {
			return `cannot stand beside "services": move it into an entry of that list`
		}
	}
	return ""
}
