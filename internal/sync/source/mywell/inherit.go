package mywell

import (
	"fmt"
	"maps"

	"github.com/headgate/headgate/internal/sync/source"
)

// Inherits implements source.Heir.
func (s *server) Inherits(datatype string) (field, from string) {
	if !s.fromGroups || datatype != "resource" {
		return "", ""
	}
	return "groups", "group"
}

// Inherit implements source.Heir. A resource without a pincode takes that of its groups. One
// without a village takes the village among its groups, if that is in the same pincode: a
// village's id means nothing in another one.
func (s *server) Inherit(c source.Change, named []source.Named) (map[string]string, error) {
	own := externalIDsOf(c.Fields, c.ExternalIDs)
	pincode, village := own.pincode(), own[legacyVillage]
	for _, g := range named {
		of := externalIDsOf(g.Data, g.ExternalIDs).pincode()
		switch {
		case of == "" || own.pincode() != "":
		case pincode == "":
			pincode = of
		case pincode != of:
			return nil, fmt.Errorf("its groups have two pincodes, %s and %s: set externalIds.%s", pincode, of, legacyPincode)
		}
	}
	for _, g := range named {
		ids := externalIDsOf(g.Data, g.ExternalIDs)
		id := ids.plain(legacyVillage)
		switch {
		case g.Data["type"] != "village" || id == "" || ids.pincode() != pincode || own[legacyVillage] != "":
		case village == "":
			village = id
		case village != id:
			return nil, fmt.Errorf("its groups are two villages, %s and %s: set externalIds.%s", village, id, legacyVillage)
		}
	}
	if pincode == "" || pincode == own[legacyPincode] && village == own[legacyVillage] {
		return c.ExternalIDs, nil
	}
	out := maps.Clone(c.ExternalIDs)
	if out == nil {
		out = make(map[string]string, 2)
	}
	out[legacyPincode] = pincode
	if village != "" {
		out[legacyVillage] = village
	}
	return out, nil
}
