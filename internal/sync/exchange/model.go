package exchange

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/mapping"
)

// A rule returns what is wrong with a field's value; "" if nothing is.
type rule func(v any) string

// models has OurWater's types of record: what a field must be where a record has it. Other
// types have no model, and take what the mapping takes.
var models = map[string]map[string]rule{
	"reading":  {"value": isNumber, "datetime": isInstant, "resourceId": isText, "timeseries": isText, "coords": isPlace},
	"resource": {"resourceType": oneOf("well", "raingauge", "checkdam", "quality"), "coords": isPlace, "lastValue": isNumber, "lastDate": isInstant},
	"group":    {"name": isText, "type": oneOf("village", "pincode", "country"), "coords": isPlaceOrPlaces},
}

// breaks returns the first field, by name, that breaks the model of the datatype, and the
// rule; "" if none does. A reading that is not mapped field by field needs a value.
func breaks(m *mapping.Mapper, datatype string, item *mapping.Mapped) (field, reason string) {
	model := models[datatype]
	if model == nil || item.Deleted {
		return "", ""
	}
	data, err := record.Decode(item.Data)
	if err != nil {
		return "", ""
	}
	names := make([]string, 0, len(model))
	for name := range model {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v, there := data[name]
		if !there && datatype == "reading" && name == "value" && m.Fields() == nil {
			return name, "is missing"
		}
		if !there || v == nil && name != "value" {
			continue
		}
		if reason := model[name](v); reason != "" {
			return name, reason
		}
	}
	return "", ""
}

func isNumber(v any) string {
	switch v.(type) {
	case json.Number, float64, int64:
		return ""
	}
	return "is not a number"
}

func isText(v any) string {
	if s, ok := v.(string); !ok || s == "" {
		return "is not a text"
	}
	return ""
}

func isInstant(v any) string {
	if s, ok := v.(string); ok {
		if _, err := time.Parse(time.RFC3339, s); err == nil {
			return ""
		}
	}
	return "is not an instant such as 2026-01-31T08:30:00Z"
}

func oneOf(values ...string) rule {
	return func(v any) string {
		if s, ok := v.(string); ok && slices.Contains(values, s) {
			return ""
		}
		return "is none of " + strings.Join(values, ", ")
	}
}

// isPlace takes the coordinates of LegacyMyWell (lat, lng) and of OurWater (latitude,
// longitude).
func isPlace(v any) string {
	m, ok := v.(map[string]any)
	if ok && (isNumber(m["lat"]) == "" && isNumber(m["lng"]) == "" || isNumber(m["latitude"]) == "" && isNumber(m["longitude"]) == "") {
		return ""
	}
	return "has no two numbers lat and lng"
}

func isPlaceOrPlaces(v any) string {
	list, ok := v.([]any)
	if !ok {
		return isPlace(v)
	}
	for _, p := range list {
		if reason := isPlace(p); reason != "" {
			return reason
		}
	}
	return ""
}
