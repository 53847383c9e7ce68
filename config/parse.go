package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
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
// there is one, is an *Error. further checks apply rules that this package does not know,
// such as those for the definitions in Syncs, so that their faults are reported with the
// others. They must cope with a configuration that has faults.
func Parse(data []byte, further ...func(*Config) []fault.Detail) (*Config, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as some editors save files
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &Error{Faults: []fault.Detail{{Path: "$", Message: "the configuration is empty"}}}
	}
	v := &validator{decode.Faults{Formats: formats, Strict: true, AnyCase: true}}
	c := new(Config)
	if c.flat = isFlat(data); c.flat {
		var f flat
		v.Decode("$", data, &f)
		c.Services, c.Deployment = []Service{f.Service}, f.Deployment
	} else {
		v.Unknown = misplaced
		v.Decode("$", data, c)
	}
	v.config(c)
	for _, check := range further {
		for _, f := range check(c) {
			v.Add(f.Path, "%s", f.Message)
		}
	}
	if faults := v.Details(); len(faults) > 0 {
		return nil, &Error{Faults: faults}
	}
	return c, nil
}

// ServicePath returns the path of a service in the document, such as $.services[0]; $ in
// EventSync's form.
func (c *Config) ServicePath(i int) string {
	if c.flat {
		return "$"
	}
	return decode.Index("$.services", i)
}

// isFlat reports whether the document is in EventSync's form. A document with a list of
// services is not, and neither is one that has fields of a deployment and none of a
// service. A document with no field that is known is read as a service, whose missing
// fields are then the faults.
func isFlat(data []byte) bool {
	var written map[string]json.RawMessage
	_ = json.Unmarshal(data, &written) // of another form: Decode says so
	has := func(fields []decode.Field) bool {
		for name := range written {
			if slices.ContainsFunc(fields, func(f decode.Field) bool { return strings.EqualFold(f.Name, name) }) {
				return true
			}
		}
		return false
	}
	switch {
	case has([]decode.Field{{Name: "services"}}):
		return false
	case has(decode.FieldsOf(reflect.TypeFor[Service]())):
		return true
	default:
		return !has(decode.FieldsOf(reflect.TypeFor[Deployment]()))
	}
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
