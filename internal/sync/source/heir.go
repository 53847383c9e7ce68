package source

// Heir is implemented by sources whose new rows take ids from other records, as a well takes
// the pincode of its group.
type Heir interface {
	// Inherits returns the field in which the datatype's records name the others, and the
	// datatype of those. field is "" if the rows take nothing.
	Inherits(datatype string) (field, from string)
	// Inherit returns the external ids of a Create: its own, and those that it takes from the
	// records that it names. An error refuses the record.
	Inherit(c Change, named []Named) (map[string]string, error)
}

// Named is a record that another one names.
type Named struct {
	Data        map[string]any
	ExternalIDs map[string]string
}
