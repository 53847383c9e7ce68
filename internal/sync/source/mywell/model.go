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
	ours     []string // the columns that LegacyMyWell keeps, under OurWater's names
	theirs   []string // the same under LegacyMyWell's
	// pull turns LegacyMyWell's row into OurWater's. push does the reverse and leaves
	// out the members that have no value.
	pull func(theirs map[string]any) (map[string]any, *source.Reject)
	push func(ours map[string]any, known externalIDs) (map[string]any, error)
	// keyed reports that the server identifies a row by postcode and id. Otherwise the id
	// alone identifies it.
	keyed bool
	// refers has the datatypes of the rows that columns name.
	refers map[string]string
}

var models = map[string]*model{
	"group": {
		datatype: "group", path: "villages", key: []string{"id"}, keyed: true, pull: pullGroup, push: pushGroup,
		ours: []string{"name", "type", "coords", "externalIds"}, theirs: []string{"id", "postcode", "name", "coordinates"},
	},
	"resource": {
		datatype: "resource", path: "resources", key: []string{"id"}, keyed: true, pull: pullResource, push: pushResource,
		ours:   append([]string{"resourceType", "coords", "lastValue", "lastDate", "externalIds"}, sameColumns...),
		theirs: append([]string{"id", "postcode", "villageId", "type", "geo", "last_value", "last_date"}, sameColumns...),
	},
	"reading": {
		datatype: "reading", path: "readings", key: []string{"resourceId", "timeseries", "datetime"}, pull: pullReading, push: pushReading,
		refers: map[string]string{"resourceId": "resource"},
		ours:   []string{"value", "externalIds"}, theirs: []string{"postcode", "villageId", "resourceId", "date", "value"},
	},
}

// sameColumns are those of a resource that have the same name on both sides.
var sameColumns = []string{"owner", "well_depth", "elevation", "image", "mobile", "email"}

// datatypes lists the datatypes so that each comes after those that it refers to.
var datatypes = []string{"group", "resource", "reading"}

const timeseries = "default" // the only time series of each resource at LegacyMyWell

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

// isComposite reports whether a text is an id "postcode.id" of LegacyMyWell's, where both are
// numbers. Records that were made here have other ids.
func isComposite(s string) bool {
	postcode, id, ok := strings.Cut(s, ".")
	return ok && isNumber(number(postcode)) && isNumber(number(id))
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
	rename(row, map[string]string{"coordinates": "coords"})
	row["externalIds"] = externalIDs{legacyID: id, legacyVillage: text(theirs["id"]), legacyPincode: text(theirs["postcode"])}.shown()
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
	row["externalIds"] = externalIDs{
		legacyID: id, legacyResource: text(theirs["id"]), legacyPincode: text(theirs["postcode"]), legacyVillage: text(theirs["villageId"]),
	}.shown()
	delete(row, "postcode")
	delete(row, "villageId")
	return row, nil
}

// pushGroup turns a group of OurWater into a village of LegacyMyWell.
func pushGroup(ours map[string]any, known externalIDs) (map[string]any, error) {
	row, err := place(ours, known, legacyVillage)
	if err != nil {
		return nil, err
	}
	if row["id"] == nil {
		return nil, fmt.Errorf("externalIds.%s is missing: LegacyMyWell gives villages no ids", legacyVillage)
	}
	delete(row, "type")
	rename(row, map[string]string{"coords": "coordinates"})
	return row, nil
}

// pushResource turns a resource of OurWater into one of LegacyMyWell.
func pushResource(ours map[string]any, known externalIDs) (map[string]any, error) {
	row, err := place(ours, known, legacyResource)
	if err != nil {
		return nil, err
	}
	if village := known.plain(legacyVillage); village != "" {
		row["villageId"] = number(village)
	} else if row["id"] == nil {
		return nil, fmt.Errorf("externalIds.%s is missing: LegacyMyWell makes a resource's id from its village's, and refuses one that has neither id nor villageId", legacyVillage)
	}
	rename(row, map[string]string{"coords": "geo", "resourceType": "type", "lastValue": "last_value", "lastDate": "last_date"})
	return row, nil
}

// place returns a copy of a group or a resource with the postcode and the id, if it has one,
// as LegacyMyWell names them. own is the external id that holds the id.
func place(ours map[string]any, known externalIDs, own string) (map[string]any, error) {
	if err := fits(ours); err != nil {
		return nil, err
	}
	row := maps.Clone(ours)
	delete(row, "externalIds")
	delete(row, "id")
	switch {
	case isComposite(text(ours["id"])):
		row["postcode"], row["id"] = split(text(ours["id"]))
	case isComposite(known[legacyID]):
		row["postcode"], row["id"] = split(known[legacyID])
	case known.pincode() == "":
		return nil, fmt.Errorf("externalIds.%s is missing: LegacyMyWell takes no row without a pincode", legacyPincode)
	default:
		row["postcode"] = number(known.pincode())
		if id := known.plain(own); id != "" {
			row["id"] = number(id)
		}
	}
	return row, nil
}

func pullReading(theirs map[string]any) (map[string]any, *source.Reject) {
	row, resource := maps.Clone(theirs), composite(theirs["postcode"], theirs["resourceId"])
	delete(row, "villageId,postcode")
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
	row["externalIds"] = externalIDs{
		legacyID: text(theirs["id"]), legacyResource: text(theirs["resourceId"]), legacyPincode: text(theirs["postcode"]), legacyVillage: text(theirs["villageId"]),
	}.shown()
	for _, name := range []string{"id", "date", "postcode", "villageId"} {
		delete(row, name)
	}
	return row, nil
}

func pushReading(ours map[string]any, known externalIDs) (map[string]any, error) {
	row := maps.Clone(ours)
	at, ok := rest.Instant(ours["datetime"])
	if !ok {
		return nil, fmt.Errorf("datetime is not an instant")
	}
	if ts := text(ours["timeseries"]); ts != "" && ts != timeseries {
		return nil, fmt.Errorf("timeseries %q does not exist at LegacyMyWell: each resource has only %q", ts, timeseries)
	}
	resource := resourceOf(ours, known)
	if resource == "" {
		return nil, fmt.Errorf("resourceId is not an id of LegacyMyWell: those have the form pincode.id")
	}
	for _, name := range []string{"externalIds", "timeseries", "datetime"} {
		delete(row, name)
	}
	row["date"] = at.UTC().Format(time.RFC3339Nano)
	row["postcode"], row["resourceId"] = split(resource)
	if village := known.plain(legacyVillage); village != "" {
		row["villageId"] = number(village)
	}
	return row, nil
}

// resourceOf returns the id "pincode.id" of a reading's resource, or "" if the resource is
// not linked to one of LegacyMyWell's.
func resourceOf(ours map[string]any, known externalIDs) string {
	if id := text(ours["resourceId"]); isComposite(id) {
		return id
	}
	return composite(known.pincode(), known.plain(legacyResource))
}
