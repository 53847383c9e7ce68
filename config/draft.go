package config

// Draft is a list that people edit together at /drafts/{name}.
type Draft struct {
	Name string `json:"name" config:"required"`
	// ExternalData is a service that speaks as Fluid's external-data example; or
	// Records are ours.
	ExternalData *DraftExternal `json:"externalData,omitempty"`
	Records      *DraftRecords  `json:"records,omitempty"`
	// Sync is a datatype at the source of a sync, edited there: an API, a database, a file.
	Sync *DraftSync `json:"sync,omitempty"`
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

// DraftSync is what a sync's source has of a datatype.
type DraftSync struct {
	ID       string `json:"id" config:"required"`
	Datatype string `json:"datatype" config:"required"`
}

func (v *validator) draft(path string, d *Draft) {
	if !PlainID(d.Name) {
		v.fault(path+".name", "must be letters, digits, . _ ~ -, not %q", short(d.Name))
	}
	kinds := 0
	for _, has := range []bool{d.ExternalData != nil, d.Records != nil, d.Sync != nil} {
		if has {
			kinds++
		}
	}
	if kinds != 1 {
		v.fault(path, "must have one of externalData, records and sync")
	}
	if d.Sync != nil {
		if !PlainID(d.Sync.ID) {
			v.fault(path+".sync.id", "must be letters, digits, . _ ~ -, not %q", short(d.Sync.ID))
		}
		v.notEmpty(path+".sync.datatype", d.Sync.Datatype)
	}
	if d.ExternalData != nil {
		v.httpURL(path+".externalData.url", d.ExternalData.URL)
	}
	if d.Records != nil {
		v.notEmpty(path+".records.orgId", d.Records.OrgID)
		v.notEmpty(path+".records.type", d.Records.Type)
	}
}
