package source

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/budget"
)

// Datasource is the part of a sync's definition that says where its rows are.
type Datasource struct {
	Type              string       `json:"type"`
	URL               string       `json:"url,omitempty"`
	FileURL           string       `json:"fileUrl,omitempty"`
	FileFormat        string       `json:"fileFormat,omitempty"`
	SelectedDatatypes []string     `json:"selectedDatatypes,omitempty"`
	Auth              string       `json:"auth,omitempty"`
	ExtraFields       []ExtraField `json:"extraFields,omitempty"`
	// Options are the kind's own. Unknown ones are faults.
	Options json.RawMessage `json:"options,omitempty"`
}

// ExtraField is DataCollect's way to write an option.
type ExtraField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Env is what a source gets from whoever runs it.
type Env struct {
	// HTTP is for every call out: it checks addresses at dial time, times out,
	// retries what may be retried, honours Retry-After and limits the rate per host.
	HTTP *http.Client
	// DialContext is for what is not HTTP; it checks addresses too. nil refuses.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Dir is the one directory that files are read from and written to; nil: none.
	// Sources open files with OpenFile.
	Dir *os.Root
	// Own is the file of the embedded store, which is no source's although it may be
	// in Dir: it has the credentials of all syncs. "": there is none.
	Own string
	// IsStore reports, by its first 100 bytes, whether a file is an embedded store, such as
	// a backup under any name: it has the credentials of all syncs, too. nil: none is.
	IsStore func(head []byte) bool
	// Secret resolves a reference ("env:NAME", "sm://projects/P/secrets/S/versions/V")
	// for the host:port that it will be sent to. Sources call Credential instead. nil:
	// there are none.
	Secret func(ctx context.Context, ref, to string) (string, error)
	// MaySend returns why a reference may not be sent to the host:port; nil: Secret says.
	MaySend func(ref, to string) error
	// AllowHTTP permits http:// and unencrypted connections beyond loopback.
	AllowHTTP bool
	// Memory is for answers that are read and decoded whole; nil has no bound.
	Memory *budget.Budget
	Now    func() time.Time
	Log    *slog.Logger
}

// Fault is what is wrong with a definition, and where: a JSON path that begins
// at the datasource ("options.delimiter").
type Fault struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

func (f Fault) String() string { return f.Path + ": " + f.Message }

// Kind is a type of data source.
type Kind struct {
	Name string
	// Check returns all faults of the definition. It touches nothing outside.
	Check func(d Datasource) []Fault
	// Open returns the source of a definition that Check found no fault with.
	Open func(ctx context.Context, d Datasource, env Env) (Source, error)
	// Datatypes that a sync has where it selects none; nil: it has to.
	Datatypes []string
	// PushFirst is the order of a run both ways: a push that failed prevents the pull.
	PushFirst bool
	// Defaults returns what the kind knows of a datatype that the sync maps
	// nothing for: nil Key means "id". May be nil.
	Defaults func(datatype string) Spec
}

// Registry holds the kinds by name.
type Registry map[string]Kind

// NewRegistry returns a registry of the kinds.
func NewRegistry(kinds ...Kind) Registry {
	r := make(Registry, len(kinds))
	for _, k := range kinds {
		r[k.Name] = k
	}
	return r
}

// Names returns the kinds' names, sorted.
func (r Registry) Names() []string {
	names := make([]string, 0, len(r))
	for n := range r {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Check returns all faults of the definition.
func (r Registry) Check(d Datasource) []Fault {
	k, ok := r[d.Type]
	if !ok {
		return []Fault{{"type", fmt.Sprintf("%q is not a type of data source: the types are %s", d.Type, strings.Join(r.Names(), ", "))}}
	}
	return k.Check(d)
}
