package mywell

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// model describes a datatype of OurWater and its counterpart at LegacyMyWell.
type model struct {
	datatype string
	path     string // path of the list below /api
	key      []string
	// pull turns LegacyMyWell's row into OurWater's. push does the reverse and leaves
	// out the members that have no value.
	pull func(theirs map[string]any) (map[string]any, *source.Reject)
	push func(ours map[string]any, external map[string]string) (map[string]any, error)
	// keyed reports that the server identifies a row by postcode and id. Otherwise the id
	// alone identifies it.
	keyed bool
}

var models = map[string]*model{
	"group":    {datatype: "group", path: "villages", key: []string{"id"}, pull: pullGroup, push: pushPlace, keyed: true},
	"resource": {datatype: "resource", path: "resources", key: []string{"id"}, pull: pullResource, push: pushPlace, keyed: true},
	"reading":  {datatype: "reading", path: "readings", key: []string{"resourceId", "timeseries", "datetime"}, pull: pullReading, push: pushReading},
}

// datatypes lists the datatypes so that each comes after those that it refers to.
var datatypes = []string{"group", "resource", "reading"}

const timeseries = "default" // the only time series of each resource at LegacyMyWell

// The names of the external ids in OurWater's records.
const (
	legacyID       = "legacyMyWellId"
	legacyResource = "legacyMyWellResourceId"
	legacyVillage  = "legacyMyWellVillageId"
	legacyPincode  = "legacyMyWellPincode"
)

// rename renames members of an object.
func rename(m map[string]any, names map[string]string) {
	for from, to := range names {
		if v, ok := m[from]; ok {
			delete(m, from)
			m[to] = v
		}
	}
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		b, _ := json.Marshal(v) // fmt would write 3.13603e+05 for 313603
		return string(b)
	default:
		return fmt.Sprint(v)
	}
}

// composite returns "postcode.id", or "" if one of the two is missing, or if the postcode
// has a full stop: split would find another postcode, and two rows could be one.
func composite(postcode, id any) string {
	p, i := text(postcode), text(id)
	if p == "" || i == "" || strings.Contains(p, ".") {
		return ""
	}
	return p + "." + i
}

func split(composite string) (postcode, id any) {
	p, i, _ := strings.Cut(composite, ".")
	return number(p), number(i)
}

// number returns an id as a number if it is one, because LegacyMyWell's ids are numbers.
func number(s string) any {
	if v, err := decode.One([]byte(s)); err == nil {
		if n, ok := v.(json.Number); ok {
			return n
		}
	}
	return s
}

func compact(m map[string]any) map[string]any {
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil || v == "" })
	return m
}

// identity returns a copy of a row and its id "postcode.id".
func identity(theirs map[string]any) (row map[string]any, id string) {
	row = maps.Clone(theirs)
	delete(row, "villageId,postcode") // a stray member in LegacyMyWell's answers
	return row, composite(theirs["postcode"], theirs["id"])
}

func pullGroup(theirs map[string]any) (map[string]any, *source.Reject) {
	row, id := identity(theirs)
	if id == "" {
		return nil, &source.Reject{Field: "id", Reason: "a village needs a postcode and an id", Raw: theirs}
	}
	row["id"], row["type"] = id, "village"
	rename(row, map[string]string{"geo": "coords", "coordinates": "coords"})
	row["externalIds"] = compact(map[string]any{legacyVillage: id, legacyPincode: text(theirs["postcode"])})
	delete(row, "postcode")
	return row, nil
}

func pullResource(theirs map[string]any) (map[string]any, *source.Reject) {
	row, id := identity(theirs)
	if id == "" {
		return nil, &source.Reject{Field: "id", Reason: "a resource needs a postcode and an id", Raw: theirs}
	}
	row["id"] = id
	rename(row, map[string]string{"geo": "coords", "type": "resourceType", "last_value": "lastValue", "last_date": "lastDate"})
	row["externalIds"] = compact(map[string]any{
		legacyID: id, legacyResource: id, legacyPincode: text(theirs["postcode"]),
		legacyVillage: composite(theirs["postcode"], theirs["villageId"]),
	})
	delete(row, "postcode")
	delete(row, "villageId")
	return row, nil
}

// pushPlace turns a group or a resource of OurWater into a row of LegacyMyWell.
func pushPlace(ours map[string]any, external map[string]string) (map[string]any, error) {
	row := maps.Clone(ours)
	known := externalIDs(ours, external)
	delete(row, "externalIds")
	if id := text(ours["id"]); id != "" {
		row["postcode"], row["id"] = split(id)
	} else {
		delete(row, "id")
		if known[legacyPincode] == "" {
			return nil, fmt.Errorf("externalIds.%s is missing: LegacyMyWell takes no row without a pincode", legacyPincode)
		}
		row["postcode"] = number(known[legacyPincode])
	}
	if village := known[legacyVillage]; village != "" && ours["resourceType"] != nil {
		_, row["villageId"] = split(village)
	}
	if ours["type"] == "village" {
		delete(row, "type")
	}
	rename(row, map[string]string{"coords": "geo", "resourceType": "type", "lastValue": "last_value", "lastDate": "last_date"})
	return row, nil
}

// externalIDs returns the external ids of a record. Those kept with the record override
// those in its data, because the sync keeps them up to date.
func externalIDs(ours map[string]any, external map[string]string) map[string]string {
	out := map[string]string{}
	if m, ok := ours["externalIds"].(map[string]any); ok {
		for name, v := range m {
			out[name] = text(v)
		}
	}
	maps.Copy(out, external)
	return out
}

func pullReading(theirs map[string]any) (map[string]any, *source.Reject) {
	row, _ := identity(theirs)
	resource := composite(theirs["postcode"], theirs["resourceId"])
	reject := func(field, reason string) (map[string]any, *source.Reject) {
		return nil, &source.Reject{Key: text(theirs["id"]), Field: field, Reason: reason, Raw: theirs}
	}
	if resource == "" {
		return reject("resourceId", "a reading needs a postcode and a resourceId")
	}
	at, ok := rest.Instant(theirs["date"])
	if !ok {
		return reject("date", "is not a date")
	}
	if _, ok := theirs["value"].(json.Number); !ok {
		return reject("value", "is not a number")
	}
	row["resourceId"], row["timeseries"], row["datetime"] = resource, timeseries, at.UTC().Format(time.RFC3339Nano)
	row["externalIds"] = compact(map[string]any{
		legacyID: text(theirs["id"]), legacyResource: resource, legacyPincode: text(theirs["postcode"]),
		legacyVillage: composite(theirs["postcode"], theirs["villageId"]),
	})
	for _, name := range []string{"id", "date", "postcode", "villageId"} {
		delete(row, name)
	}
	return row, nil
}

func pushReading(ours map[string]any, external map[string]string) (map[string]any, error) {
	row := maps.Clone(ours)
	known := externalIDs(ours, external)
	at, ok := rest.Instant(ours["datetime"])
	if !ok {
		return nil, fmt.Errorf("datetime is not an instant")
	}
	if ts := text(ours["timeseries"]); ts != "" && ts != timeseries {
		return nil, fmt.Errorf("timeseries %q does not exist at LegacyMyWell: each resource has only %q", ts, timeseries)
	}
	resource := text(ours["resourceId"])
	if !strings.Contains(resource, ".") {
		resource = known[legacyResource]
	}
	if !strings.Contains(resource, ".") {
		return nil, fmt.Errorf("resourceId is not an id of LegacyMyWell: those have the form pincode.id")
	}
	for _, name := range []string{"externalIds", "timeseries", "datetime"} {
		delete(row, name)
	}
	row["date"] = at.UTC().Format(time.RFC3339Nano)
	row["postcode"], row["resourceId"] = split(resource)
	if village := known[legacyVillage]; village != "" {
		_, row["villageId"] = split(village)
	}
	return row, nil
}
