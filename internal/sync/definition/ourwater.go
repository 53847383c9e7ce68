package definition

import (
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
)

// directions maps OurWater's names of a sync's type to ours.
var directions = map[Direction]Direction{"pullData": Pull, "pullFrom": Pull, "pushData": Push, "pushTo": Push}

// classes maps OurWater's classes of data sources, in lower case, to ours.
var classes = map[string]string{
	"legacymywelldatasource": "legacy-mywell", "apidatasource": "api", "filedatasource": "csv", "csvdatasource": "csv", "sqldatasource": "sql",
}

// readOurWater reads a Sync, also as OurWater's model has it: selectedDatatypes beside the
// datasource, the datasource's type as the name of its class, and the names of its types.
func readOurWater(f *decode.Faults, body []byte) *Sync {
	var o struct {
		Sync
		SelectedDatatypes []string `json:"selectedDatatypes"`
	}
	f.Decode("", renamed(f, body), &o)
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
	if kind := classes[strings.ToLower(d.Type)]; kind != "" {
		// OurWater's ApiDataSource has a URL only: that of LegacyMyWell. With options it is any API.
		if d.Type = kind; kind == "api" && len(d.Options) == 0 {
			d.Type = "legacy-mywell"
		}
	}
	return &o.Sync
}
