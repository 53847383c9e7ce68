package firestorestore

import (
	"encoding/json"
	"strings"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/store"
)

// addDetails sets the fields of the claim's window and targets. They are JSON in bytes.
func (d *claimData) addDetails(c store.ClaimInfo) (err error) {
	if len(c.Targets) > 0 {
		if d.Targets, err = json.Marshal(c.Targets); err != nil {
			return err
		}
	}
	if c.Window == nil {
		return nil
	}
	w := *c.Window
	w.Key = storedKey(w.Key)
	d.Window, err = json.Marshal(w)
	return err
}

// details is the inverse of addDetails.
func (d *claimData) details(c *store.ClaimInfo) error {
	if len(d.Window) > 0 {
		c.Window = new(store.Window)
		if err := json.Unmarshal(d.Window, c.Window); err != nil {
			return err
		}
	}
	if len(d.Targets) > 0 {
		return json.Unmarshal(d.Targets, &c.Targets)
	}
	return nil
}

// storedKey returns the form of a correlation key in claims: neither gRPC nor JSON can carry a
// string that is not UTF-8.
func storedKey(key string) string { return strings.ToValidUTF8(key, "\uFFFD") }

// targetsUpdate returns the update of a claim's targets: none if the claim has one target.
func targetsUpdate(o store.Outcome, c claimDoc) ([]firestore.Update, error) {
	if len(o.Targets) == 0 {
		return nil, nil
	}
	var before store.ClaimInfo
	if err := c.Data.details(&before); err != nil {
		return nil, err
	}
	b, err := json.Marshal(o.Merge(before.Targets))
	return []firestore.Update{{Path: "data.targets", Value: b}}, err
}
