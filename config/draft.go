package config

// Draft is a list that people edit together at /drafts/{name}.
type Draft struct {
	Name string `json:"name" config:"required"`
	// ExternalData is a service that speaks as Fluid's external-data example; or
	// Records are ours.
	ExternalData *DraftExternal `json:"externalData,omitempty"`
	Records      *DraftRecords  `json:"records,omitempty"`
	// Echo: clients fetch from the source themselves when it changes, and the server
	// does only when it is asked (the echo pattern). Otherwise the server fetches
	// once for all (the bot pattern).
	Echo bool `json:"echo,omitempty"`
}

// DraftExternal is a list of an external-data service.
type DraftExternal struct {
	URL  string `json:"url" config:"required"`
	List string `json:"list,omitempty"` // default: the draft's name
}

// DraftRecords are an organisation's records of a type.
type DraftRecords struct {
	OrgID string `json:"orgId" config:"required"`
	Type  string `json:"type" config:"required"`
}

func (v *validator) draft(path string, d *Draft) {
	if !syncID.MatchString(d.Name) {
		v.fault(path+".name", "must be letters, digits, . _ ~ -, not %q", short(d.Name))
	}
	if (d.ExternalData == nil) == (d.Records == nil) {
		v.fault(path, "must have externalData or records")
	}
	if d.ExternalData != nil {
		v.httpURL(path+".externalData.url", d.ExternalData.URL)
	}
	if d.Records != nil {
		v.notEmpty(path+".records.orgId", d.Records.OrgID)
		v.notEmpty(path+".records.type", d.Records.Type)
	}
}
