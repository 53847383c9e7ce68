package definition

import (
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
)

// directions maps OurWater's names of a sync's type to ours.
var directions = map[Direction]Direction{"pullData": Pull, "pullFrom": Pull, "pushData": Push, "pushTo": Push}

// readOurWater reads a Sync, also as OurWater's model has it: selectedDatatypes beside the
// datasource, the datasource's type as the name of its class, and the names of its types.
func readOurWater(f *decode.Faults, body []byte) *Sync {
	var o struct {
		Sync
		SelectedDatatypes []string `json:"selectedDatatypes"`
	}
	f.Decode("", body, &o)
	d := &o.Datasource
	if len(o.SelectedDatatypes) > 0 {
		if len(d.SelectedDatatypes) > 0 {
			f.Add("selectedDatatypes", "stands in datasource.selectedDatatypes already")
		}
		d.SelectedDatatypes = o.SelectedDatatypes
	}
	if direction, ok := directions[o.Type]; ok {
		o.Type = direction
	}
	// OurWater's ApiDataSource has a URL only: that of LegacyMyWell. With options it is any API.
	switch strings.ToLower(d.Type) {
	case "legacymywelldatasource":
		d.Type = "legacy-mywell"
	case "apidatasource":
		if d.Type = "legacy-mywell"; len(d.Options) > 0 {
			d.Type = "api"
		}
	case "filedatasource", "csvdatasource":
		d.Type = "csv"
	case "sqldatasource":
		d.Type = "sql"
	}
	return &o.Sync
}
