package definition

import (
	"encoding/json"
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
)

// OurWater's data sources have members that ours call otherwise. They are read where the type
// is the name of a class of OurWater's, and stored under our names:
//
//	LegacyMyWellDatasource  baseUrl                     url
//	FileDatasource          dataType                    selectedDatatypes
//	                        options.hasHeaderRow        options.includesHeadings
//	                        options.usesLegacyMyWellIds the columns and the mapping of such files
//	a sync's type           unknown                     both; pull for a file
//
// A sync of type unknown gets its direction from each run there.

type members = map[string]json.RawMessage

// renamed returns the text of a definition under our names.
func renamed(f *decode.Faults, body []byte) []byte {
	var sync, datasource members
	if json.Unmarshal(body, &sync) != nil || json.Unmarshal(sync["datasource"], &datasource) != nil {
		return body // the decoder says what is wrong
	}
	class := strings.ToLower(word(datasource["type"]))
	kind := classes[class]
	if kind == "" {
		return body
	}
	direction := Both
	if kind == "csv" {
		direction = Pull
		renameFile(f, sync, datasource)
	} else if base := datasource["baseUrl"]; base != nil && kind == "legacy-mywell" {
		if datasource["url"] != nil {
			f.Add("datasource.baseUrl", "stands in datasource.url already: write url alone")
		}
		datasource["url"] = base
		delete(datasource, "baseUrl")
	}
	if word(sync["type"]) == "unknown" {
		sync["type"] = raw(direction)
	}
	sync["datasource"] = raw(datasource)
	return raw(sync)
}

// renameFile does so for a FileDatasource. Without a mapping, a file that uses the ids of
// LegacyMyWell has the columns and dates that OurWater expects, whatever its headings are.
func renameFile(f *decode.Faults, sync, datasource members) {
	if dataType := word(datasource["dataType"]); dataType != "" {
		delete(datasource, "dataType")
		if sync["selectedDatatypes"] == nil && datasource["selectedDatatypes"] == nil {
			datasource["selectedDatatypes"] = raw([]string{strings.ToLower(dataType)})
		}
	}
	var options, mapping members
	if json.Unmarshal(datasource["options"], &options) != nil {
		return
	}
	if header := options["hasHeaderRow"]; header != nil && options["includesHeadings"] == nil {
		options["includesHeadings"] = header
	}
	delete(options, "hasHeaderRow")
	const uses = "usesLegacyMyWellIds"
	legacy := false
	if v := options[uses]; v != nil && json.Unmarshal(v, &legacy) != nil {
		f.Add("datasource.options."+uses, "must be true or false")
	}
	delete(options, uses)
	if v := sync["mapping"]; v != nil && json.Unmarshal(v, &mapping) != nil {
		legacy = false // the decoder says what is wrong with the mapping
	}
	if legacy && mapping["reading"] == nil {
		if options["columns"] == nil && options["headers"] == nil {
			options["columns"] = raw([]string{"date", "pincode", "resourceId", "value"})
		}
		if mapping == nil {
			mapping = members{}
		}
		mapping["reading"] = json.RawMessage(legacyReadings)
		sync["mapping"] = raw(mapping)
	}
	datasource["options"] = raw(options)
}

// legacyReadings is the mapping of a file with LegacyMyWell's ids.
const legacyReadings = `{
	"key": ["pincode", "resourceId", "date"],
	"fields": {
		"resourceId": {"cel": "row.pincode + '.' + row.resourceId"},
		"timeseries": {"const": "default"},
		"datetime": {"from": "date", "type": "time", "format": "2006/1/2", "formats": ["2/1/2006"], "required": true},
		"value": {"from": "value", "type": "number", "required": true},
		"resourceType": {"cel": "row.resourceId.startsWith('117') ? 'raingauge' : row.resourceId.startsWith('118') ? 'checkdam' : 'well'"}
	},
	"externalIds": {"legacyMyWellPincode": "pincode", "legacyMyWellResourceId": "resourceId"},
	"references": {"resourceId": "resource"}
}`

// word returns a JSON text; "" if it is none.
func word(text json.RawMessage) (s string) {
	_ = json.Unmarshal(text, &s)
	return s
}

// raw returns the JSON of a value that can always be encoded.
func raw(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}
