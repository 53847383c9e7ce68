package apisource

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// options are datasource.options.
type options struct {
	resource
	Headers map[string]string `json:"headers"` // each value may refer to where it is: env:NAME, sm://…
	// PublicHeaders are the names of those whose values are no secrets.
	PublicHeaders  []string `json:"publicHeaders"`
	Auth           *auth    `json:"auth"`
	TimeoutSeconds int      `json:"timeoutSeconds" default:"60" range:"1..600 seconds"` // of a call
	// Types has the options that differ for a datatype.
	Types map[string]resource `json:"types"`
}

// public reports whether the value of that header is no secret.
func (o *options) public(header string) bool {
	return slices.ContainsFunc(o.PublicHeaders, func(name string) bool { return strings.EqualFold(name, header) })
}

// resource says how a datatype is listed and written. URLs are absolute, or
// relative to datasource.url. {type}, {id} and {column} stand for the datatype,
// the row's key and the columns of the key.
type resource struct {
	List  string `json:"list"`  // "": datasource.url
	Items string `json:"items"` // path to the array in an answer; "": the answer is the array
	// NullIsEmpty says that null at Items is an empty list, unless the answer reports an error.
	NullIsEmpty *bool `json:"nullIsEmpty"`
	// IgnoreErrors says that a list is whole although the answer reports an error beside it.
	IgnoreErrors *bool   `json:"ignoreErrors"`
	Paging       *paging `json:"paging"`
	Since        *since  `json:"since"`
	Read         *read   `json:"read"` // nil: rows are changed and deleted unseen
	Create       *write  `json:"create"`
	Update       *write  `json:"update"`
	Delete       *write  `json:"delete"`
}

// paging says how the pages of a list follow each other.
type paging struct {
	// Style: none; page and offset count; cursor takes a token of the answer;
	// link follows the Link header; url follows a URL in the answer.
	Style string `json:"style" decode:"required" enum:"none page offset cursor link url"`
	Param string `json:"param"` // "": page, offset or cursor
	Start *int   `json:"start"` // nil: of page 1, of offset 0
	Next  string `json:"next"`  // path to the token or URL in the answer
	// More is the path to what tells whether there is another page. Without it,
	// page and offset end with an empty page, the others where nothing leads on.
	More  string `json:"more"`
	Total string `json:"total"` // path to how many items there are: for the progress, and to find that some did not come
	// SizeParam asks for pages of Size items.
	SizeParam string `json:"sizeParam"`
	Size      int    `json:"size" range:"1..100000"` // 0: 100
}

// counts reports whether pages are asked for by their position.
func (p *paging) counts() bool { return p.Style == "page" || p.Style == "offset" }

// since says how a list is asked for what changed.
type since struct {
	Param  string `json:"param" decode:"required"`
	Format string `json:"format" enum:"rfc3339 date unix unixms" default:"rfc3339"`
}

// read says how one row is read. It is, right before it is changed or deleted.
type read struct {
	URL  string `json:"url"`  // of the row
	Item string `json:"item"` // path to the row in the answer; "": the answer is the row
}

// auth are credentials. Token, Username and Password may refer to where they are: env:NAME, sm://….
type auth struct {
	Type     string `json:"type" decode:"required" enum:"bearer basic apiKey"`
	Token    string `json:"token" decode:"secret"`    // bearer and apiKey
	Username string `json:"username" decode:"secret"` // basic
	Password string `json:"password" decode:"secret"`
	Header   string `json:"header"` // apiKey: X-Api-Key, unless Query is said
	Query    string `json:"query"`  // apiKey
}

// write says how changes are sent. A body has the columns of the key where the
// URL has none of them.
type write struct {
	URL    string `json:"url"`                                 // "", of a create: that of the list
	Method string `json:"method" enum:"POST PUT PATCH DELETE"` // "": POST to create, PATCH to update, DELETE to delete
	// Batch is the most rows that one call takes; 1 sends an object and not an array.
	Batch    int    `json:"batch" range:"1..10000"`
	Envelope string `json:"envelope"` // the member of an object that the body goes into
	// Whole sends all fields of an update, as PUT always does, and not only those
	// that changed.
	Whole bool `json:"whole"`
	// Results is the path to the array of results in the answer to a batch.
	Results string `json:"results"`
	// ID is the path to the new row's key in its result; "": the row has the key
	// that it was sent with.
	ID string `json:"id"`
	// Error is the path to what a result says if the row was refused.
	Error string `json:"error"`
	// IdempotencyHeader carries what lets the server know a call that it has seen,
	// and AttemptField, in every new row, what lets it know the row.
	IdempotencyHeader string `json:"idempotencyHeader"`
	AttemptField      string `json:"attemptField"`
}

// size returns how many rows a call takes.
func (w *write) size() int {
	if w == nil {
		return 1
	}
	return max(1, w.Batch)
}

// of returns the datatype's resource: its own, and what it leaves out from all.
func (o *options) of(datatype string) resource {
	r, t := o.resource, o.Types[datatype]
	r.List, r.Items = cmp.Or(t.List, r.List), cmp.Or(t.Items, r.Items)
	r.NullIsEmpty, r.IgnoreErrors = cmp.Or(t.NullIsEmpty, r.NullIsEmpty), cmp.Or(t.IgnoreErrors, r.IgnoreErrors)
	r.Paging, r.Since = cmp.Or(t.Paging, r.Paging), cmp.Or(t.Since, r.Since)
	r.Read = cmp.Or(t.Read, r.Read)
	r.Create, r.Update, r.Delete = cmp.Or(t.Create, r.Create), cmp.Or(t.Update, r.Update), cmp.Or(t.Delete, r.Delete)
	return r
}

// urls returns all that the options have.
func (o *options) urls() (all []string) {
	for _, r := range append(slices.Collect(maps.Values(o.Types)), o.resource) {
		all = append(all, r.List)
		if r.Read != nil {
			all = append(all, r.Read.URL)
		}
		for _, w := range []*write{r.Create, r.Update, r.Delete} {
			if w != nil {
				all = append(all, w.URL)
			}
		}
	}
	return all
}
