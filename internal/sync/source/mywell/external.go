package mywell

import (
	"cmp"
	"maps"
	"strings"
)

// The names of the external ids in OurWater's records. legacyMyWellId is "pincode.id" for a
// village or a resource, and the plain id of a reading. The others are plain.
const (
	legacyID       = "legacyMyWellId"
	legacyResource = "legacyMyWellResourceId"
	legacyVillage  = "legacyMyWellVillageId"
	legacyPincode  = "legacyMyWellPincode"
)

// externalIDs are a record's ids at LegacyMyWell. Earlier versions wrote the ids of villages
// and resources as "pincode.id", so each is read in both spellings.
type externalIDs map[string]string

// externalIDsOf returns the external ids of a record. Those kept with the record override
// those in its data, because the sync keeps them up to date.
func externalIDsOf(ours map[string]any, kept map[string]string) externalIDs {
	out := externalIDs{}
	if m, ok := ours["externalIds"].(map[string]any); ok {
		for _, name := range []string{legacyID, legacyResource, legacyVillage, legacyPincode} {
			out[name] = text(m[name])
		}
	}
	maps.Copy(out, kept)
	return out
}

// plain returns the id without the pincode.
func (e externalIDs) plain(name string) string {
	v := e[name]
	return v[strings.LastIndexByte(v, '.')+1:]
}

// pincode returns the pincode; "" if none of the ids tells it.
func (e externalIDs) pincode() string {
	before := func(name string) string {
		pincode, _, ok := strings.Cut(e[name], ".")
		if !ok {
			return ""
		}
		return pincode
	}
	return cmp.Or(e[legacyPincode], before(legacyID), before(legacyResource), before(legacyVillage))
}

// shown returns the ids as OurWater's records have them: each with a flag that queries use,
// such as hasLegacyMyWellId.
func (e externalIDs) shown() map[string]any {
	out := make(map[string]any, 2*len(e))
	for name, id := range e {
		if id != "" {
			out[name] = id
			out["has"+strings.ToUpper(name[:1])+name[1:]] = true
		}
	}
	return out
}
