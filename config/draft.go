package config

// Draft is a list that people edit together at /drafts/{name}: one of ExternalData,
// Records and Sync.
type Draft struct {
	// The path's last part.
	Name string `json:"name" decode:"required" format:"name"`
	// A list of a service that speaks as Fluid's external-data example.
	ExternalData *DraftExternal `json:"externalData,omitempty"`
	// Records of ours.
	Records *DraftRecords `json:"records,omitempty"`
	// The rows of a datatype in a sync's source, which is an API, a database or a file. They are edited there.
	Sync *DraftSync `json:"sync,omitempty"`
	// true: clients fetch from the source themselves when it changes. Otherwise the server does, once for all.
	Echo bool `json:"echo,omitempty"`
}

// DraftExternal is a list of an external-data service.
type DraftExternal struct {
	// The service's address, http or https.
	URL string `json:"url" decode:"required" format:"httpURL"`
	// The list's id. Omitted: the draft's name.
	List string `json:"list,omitempty"`
}

// DraftRecords are an organisation's records of a type.
type DraftRecords struct {
	// The organisation.
	OrgID string `json:"orgId" decode:"required"`
	// The records' type.
	Type string `json:"type" decode:"required"`
}

// DraftSync names a datatype at the source of a sync.
type DraftSync struct {
	// The sync's id.
	ID string `json:"id" decode:"required" format:"name"`
	// One of the sync's datatypes.
	Datatype string `json:"datatype" decode:"required"`
}

func (v *validator) draft(path string, d *Draft) {
	kinds := 0
	for _, has := range []bool{d.ExternalData != nil, d.Records != nil, d.Sync != nil} {
		if has {
			kinds++
		}
	}
	if kinds != 1 {
		v.Add(path, "must have one of externalData, records and sync")
	}
	if d.ExternalData != nil && d.ExternalData.List == "" {
		d.ExternalData.List = d.Name
	}
}
