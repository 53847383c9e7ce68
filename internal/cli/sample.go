package cli

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/headgate/headgate/config"
)

// bodyField matches an expression that is nothing but a field of the body.
var bodyField = regexp.MustCompile(`^\s*event\.body((?:\.[A-Za-z_]\w*)+)\s*$`)

// sample returns a body that the endpoint accepts, for a person to copy. Where an
// expression needs more than a field of the body, it returns the path of its field in the
// configuration instead, because no sample is certain to be accepted.
func sample(svc config.Service, e config.Endpoint) (body, decides string) {
	key := e.Key
	if svc.Correlation != nil {
		key = cmp.Or(key, svc.Correlation.Key)
	}
	fields := map[string]any{}
	for _, x := range []struct{ path, expression string }{
		{"filter", e.Filter}, {"key", key}, {"id", e.ID}, {"distinct", e.Distinct}, {"trigger.eventTime", svc.Trigger.EventTime},
	} {
		if x.expression == "" {
			continue
		}
		field := bodyField.FindStringSubmatch(x.expression)
		if field == nil || x.path == "filter" || x.path == "trigger.eventTime" || !put(fields, strings.Split(field[1][1:], ".")) {
			return "", x.path
		}
	}
	if len(fields) == 0 {
		return "hello", ""
	}
	b, _ := json.Marshal(fields) // maps of texts and numbers always marshal
	return string(b), ""
}

// put sets a nested field to 1, and reports whether it could: two expressions may want a
// field to be both a number and an object.
func put(fields map[string]any, path []string) bool {
	if len(path) == 1 {
		if _, isObject := fields[path[0]].(map[string]any); isObject {
			return false
		}
		fields[path[0]] = 1
		return true
	}
	inner, ok := fields[path[0]].(map[string]any)
	if !ok {
		if fields[path[0]] != nil {
			return false
		}
		inner = map[string]any{}
		fields[path[0]] = inner
	}
	return put(inner, path[1:])
}
