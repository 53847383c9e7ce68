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
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
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
	// Options belong to the kind. An unknown option is a fault.
	Options json.RawMessage `json:"options,omitempty"`
}

// ExtraField is one option as DataCollect's definitions write it.
type ExtraField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Credentials are a user and a password that hold for one run. They are stored nowhere.
type Credentials struct{ Username, Password string }

// With returns the definition with the credentials in place of its own.
func (d Datasource) With(c Credentials) Datasource {
	own := func(f ExtraField) bool { return f.Name == "username" || f.Name == "password" }
	d.ExtraFields = append(slices.DeleteFunc(slices.Clone(d.ExtraFields), own), ExtraField{"username", c.Username}, ExtraField{"password", c.Password})
	if d.Auth != "" {
		d.Auth = "basic"
	}
	return d
}

// Env holds everything that a source receives from the process that runs it.
type Env struct {
	// HTTP makes every outgoing call. It checks addresses at dial time, times out,
	// retries safe requests, honours Retry-After and limits the rate per host.
	HTTP *http.Client
	// DialContext opens connections for protocols other than HTTP. It checks addresses too.
	// nil refuses every connection.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Dir is the only directory that sources may read and write; nil: they may use no
	// files. Sources open files with OpenFile, which refuses the embedded store.
	Dir *os.Root
	// Bucket is the place in Cloud Storage that stands for Dir, gs://NAME/PREFIX; "": there is
	// none. Only CSV files are read there.
	Bucket string
	// Upload stores a file in Bucket, in place of one that has the name; nil without one.
	Upload func(ctx context.Context, name string, content []byte) error
	// Own is the file of the embedded store; "": there is none. No source may open it,
	// even if it lies in Dir, because it holds the credentials of all syncs.
	Own string
	// IsStore reports from the first 100 bytes of a file whether it is an embedded store.
	// A backup under another name holds the credentials of all syncs too. nil: no file
	// is a store.
	IsStore func(head []byte) bool
	// Secret resolves a reference ("env:NAME", "sm://projects/P/secrets/S/versions/V")
	// for the host:port that the credential will be sent to. Sources call Credential
	// instead. nil: references are refused.
	Secret func(ctx context.Context, ref, to string) (string, error)
	// MaySend returns an error if the credential of a reference may not be sent to the
	// host:port. If MaySend is nil, only Secret decides, when the source opens.
	MaySend func(ref, to string) error
	// AllowHTTP permits http:// and unencrypted connections beyond loopback.
	AllowHTTP bool
	// Memory bounds the answers that are read and decoded as a whole; nil: no bound.
	Memory *budget.Budget
	Now    func() time.Time
	Log    *slog.Logger
}

// DecodeOptions reads the options of a kind into a struct, as package decode does. It
// sets the defaults of options that are omitted. Names are taken as they are written:
// the credentials among the options are known by their names, too.
func (d Datasource) DecodeOptions(f *decode.Faults, into any) {
	if len(d.Options) == 0 {
		f.Fill(into)
		return
	}
	f.Decode("options", d.Options, into)
}

// Kind is a type of data source.
type Kind struct {
	Name string
	// Check returns all faults of the definition, with paths that begin at the datasource
	// ("options.delimiter"). It opens no file and no connection.
	Check func(d Datasource) []fault.Detail
	// Open returns the source of a definition in which Check found no fault.
	Open func(ctx context.Context, d Datasource, env Env) (Source, error)
	// Datatypes is the default selection of a sync; nil: a sync must select datatypes.
	Datatypes []string
	// Credentials reports that a run may be started with a user and a password of its own.
	Credentials bool
	// PushFirst makes a run in both directions push before it pulls. If the push fails,
	// the run does not pull. Rows that are refused are no such failure.
	PushFirst bool
	// Defaults returns the Spec of a datatype for which the sync has no mapping. A nil
	// Key means "id". Defaults may be nil.
	Defaults func(datatype string) Spec
}

// Custom is the kind of every type that has extraFields or an adapter and is none of the
// others: DataCollect's definitions name a type for each system.
const Custom = "custom-adapter"

// Registry holds the kinds by name.
type Registry map[string]Kind

// Of returns the kind of a definition, and reports whether there is one.
func (r Registry) Of(d Datasource) (Kind, bool) {
	k, ok := r[d.Type]
	if !ok && d.Type != "" && (len(d.ExtraFields) > 0 && r.near(d.Type) == "" || d.hasAdapter()) {
		k, ok = r[Custom]
	}
	return k, ok
}

// near returns the long name of a kind that is probably misspelt. A short one, such as openfn,
// is near to too many names that a system may have.
func (r Registry) near(name string) string {
	long := slices.DeleteFunc(r.Names(), func(n string) bool { return len(n) < 10 })
	return decode.Nearest(name, long)
}

func (d Datasource) hasAdapter() bool {
	var o struct {
		Adapter json.RawMessage `json:"adapter"`
	}
	return json.Unmarshal(d.Options, &o) == nil && o.Adapter != nil
}

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
func (r Registry) Check(d Datasource) []fault.Detail {
	k, ok := r.Of(d)
	if !ok {
		text := fmt.Sprintf("%q is not a type of data source: the types are %s", d.Type, strings.Join(r.Names(), ", "))
		if near := r.near(d.Type); near != "" {
			text += fmt.Sprintf("; did you mean %s?", near)
		}
		return []fault.Detail{{Path: "type", Message: text}}
	}
	return k.Check(d)
}

// Doubting is implemented by readers that can find out that a row which is there may be in
// none of the pages.
type Doubting interface {
	// Doubt returns, after the last page, why that may be so, or "". A sentence for people
	// begins with it.
	Doubt(ctx context.Context) (why string, err error)
}
