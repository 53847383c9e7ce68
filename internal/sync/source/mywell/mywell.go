// Package mywell syncs with LegacyMyWell, a LoopBack server. LegacyMyWell's villages are
// OurWater's groups; resources and readings have the same names on both sides.
//
// The package translates rows in both directions. OurWater identifies a reading by
// resource, time series and instant, and a village or resource by "pincode.id".
// LegacyMyWell's own ids are kept in externalIds. A resource with a pincode and without an
// id is new: the server gives it an id, which the sync writes back to the record. What has
// no pincode, and a reading whose resource is not linked, is OurWater's alone and stays
// there. So do the columns that LegacyMyWell's models do not have: it would drop them, and
// the next pull would take that for a change.
//
// Lists are paged by id, so a pull misses no row even if rows change meanwhile. Before a
// Create the package searches for the row, because an earlier attempt may have made it and
// lost its answer. A reading of the same resource and instant, or a village or resource
// with the same values, is not made twice.
//
// LegacyMyWell supports no conditional requests. The package reads a row right before it
// changes or deletes the row, and refuses the change if the row differs from what both
// sides last agreed on. A change by others between the read and the write is overwritten.
package mywell

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// Name is the kind's name in a definition.
const Name = "legacy-mywell"

// Kind returns the kind of source.
func Kind() source.Kind {
	return source.Kind{
		Name: Name, Datatypes: datatypes, Check: check, Open: open,
		Defaults: func(datatype string) source.Spec {
			m := models[datatype]
			if m == nil {
				return source.Spec{}
			}
			return source.Spec{Key: m.key, CursorTime: "updatedAt", Columns: m.ours, Refers: m.refers}
		},
	}
}

type options struct {
	// AccessToken is LoopBack's access_token, or refers to where it is: env:NAME, sm://….
	AccessToken string `json:"accessToken" decode:"secret"`
	// PageSize is the number of rows that a call asks for.
	PageSize int `json:"pageSize" default:"500" range:"1..10000"`
	// PincodeFromGroups gives new resources the pincode, and the village, of their groups.
	PincodeFromGroups bool `json:"pincodeFromGroups"`
	TimeoutSeconds    int  `json:"timeoutSeconds" default:"60" range:"1..600 seconds"` // of a call
}

// check returns every fault of the definition.
func check(d source.Datasource) []fault.Detail {
	_, faults := parse(d)
	return faults
}

func parse(d source.Datasource) (o options, faults []fault.Detail) {
	f := &decode.Faults{AnyCase: true}
	d.DecodeOptions(f, &o)
	if u, err := url.Parse(d.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		f.Add("url", "must be an http or https URL")
	} else if u.User != nil || u.RawQuery != "" {
		f.Add("url", "must hold no credentials and no query: the token goes into options.accessToken")
	}
	for i, t := range d.SelectedDatatypes {
		if models[t] == nil {
			f.Add(decode.Index("selectedDatatypes", i), "%q is not a type of LegacyMyWell's, which has %s", decode.Short(t), strings.Join(datatypes, ", "))
		}
	}
	return o, f.Details()
}

// server implements source.Source.
type server struct {
	base   *url.URL
	client rest.Client
	rows   int
	// fromGroups is options.pincodeFromGroups.
	fromGroups bool
}

func open(ctx context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	o, faults := parse(d)
	if len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "datasource.%s", faults[0])
	}
	token, err := env.Credential(ctx, d, "options.accessToken", o.AccessToken)
	if err != nil {
		return nil, err
	}
	s := &server{rows: o.PageSize, fromGroups: o.PincodeFromGroups}
	s.base, _ = url.Parse(strings.TrimSuffix(d.URL, "/"))
	s.client = rest.Client{HTTP: env.HTTP, Timeout: time.Duration(o.TimeoutSeconds) * time.Second, Now: env.Now, Memory: env.Memory, Secrets: []string{token, url.QueryEscape(token)}, To: d.Bound()}
	if token != "" {
		s.client.Sign = func(r *http.Request) {
			q := r.URL.Query()
			q.Set("access_token", token)
			r.URL.RawQuery = q.Encode()
		}
	}
	return s, nil
}

// Close implements source.Source.
func (s *server) Close() error { return nil }

// PushSize implements source.Source.
func (s *server) PushSize() int { return 100 }

// ChoosesKeys implements source.KeyChooser.
func (s *server) ChoosesKeys(datatype string) bool {
	return models[datatype] != nil && models[datatype].keyed
}

// Takes implements source.Selector.
func (s *server) Takes(datatype string, c source.Change) bool {
	known := externalIDsOf(c.Fields, c.ExternalIDs)
	switch datatype {
	case "reading":
		return resourceOf(c.Fields, known) != ""
	case "group": // a pincode is a group here, and none there
		return known.pincode() != "" && (c.Fields["type"] == nil || c.Fields["type"] == "village")
	}
	return known.pincode() != ""
}

func (s *server) url(m *model, id string, filter any) string {
	u := *s.base
	u = *u.JoinPath("api", m.path)
	if id != "" {
		u.RawPath, u.Path = u.EscapedPath()+"/"+url.PathEscape(id), u.Path+"/"+id
	}
	if filter != nil {
		b, _ := json.Marshal(filter) // filters of this package can always be encoded
		u.RawQuery = url.Values{"filter": {string(b)}}.Encode()
	}
	return u.String()
}

func of(datatype string) (*model, error) {
	m := models[datatype]
	if m == nil {
		return nil, fault.New(fault.NotFound, "there is no %s at LegacyMyWell: it has %s", datatype, strings.Join(datatypes, ", "))
	}
	return m, nil
}

// mark is the position of a pull and the content of Resume.
type mark struct {
	Postcode any           `json:"postcode,omitempty"`
	ID       any           `json:"id,omitempty"` // id of the last row; nil: at the beginning
	Clock    time.Time     `json:"clock,omitzero"`
	Last     source.Cursor `json:"last"`
	Done     int64         `json:"done"`
}

type reader struct {
	*server
	*model
	spec source.Pull
	mark mark
	cols rest.Rows
}

// Pull implements source.Source.
func (s *server) Pull(_ context.Context, p source.Pull) (source.Reader, error) {
	m, err := of(p.Datatype)
	if err != nil {
		return nil, err
	}
	r := &reader{server: s, model: m, spec: p, mark: mark{Last: p.Cursor}}
	if p.Resume != nil {
		d := json.NewDecoder(bytes.NewReader(p.Resume))
		d.UseNumber()
		if err := d.Decode(&r.mark); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the pull of %s cannot be resumed: its saved position is not one of this source", p.Datatype)
		}
	}
	return r, nil
}

func (r *reader) Close() error { return nil }

type object = map[string]any

// filter returns LoopBack's filter for the rows after the mark that changed after the
// cursor. Every pull asks for the rows without a time of change, because nobody knows when
// they changed.
func (r *reader) filter() object {
	var and []object
	switch {
	case r.mark.ID == nil:
	case r.keyed:
		later := object{"gt": r.mark.Postcode}
		if r.mark.Postcode == nil { // rows without a postcode come first; a comparison with null finds nothing
			later = object{"neq": nil}
		}
		and = append(and, object{"or": []object{
			{"postcode": later},
			{"and": []object{{"postcode": r.mark.Postcode}, {"id": object{"gt": r.mark.ID}}}},
		}})
	default:
		and = append(and, object{"id": object{"gt": r.mark.ID}})
	}
	if c := r.spec.CursorTime; c != "" && !r.spec.Cursor.Time.IsZero() {
		since := r.spec.Cursor.Time.Add(-r.spec.Overlap).UTC().Format("2006-01-02T15:04:05.000Z07:00")
		and = append(and, object{"or": []object{{c: object{"gte": since}}, {c: nil}}})
	}
	order := []string{"id ASC"}
	if r.keyed {
		order = []string{"postcode ASC", "id ASC"}
	}
	f := object{"order": order, "limit": min(r.rows, r.spec.PageSize)}
	if len(and) > 0 {
		f["where"] = object{"and": and}
	}
	return f
}

// Next implements source.Reader.
func (r *reader) Next(ctx context.Context) (source.Page, error) {
	if err := ctx.Err(); err != nil {
		return source.Page{}, err
	}
	a, err := r.client.Call(ctx, http.MethodGet, r.url(r.model, "", r.filter()), nil, nil)
	if err != nil {
		return source.Page{}, failed("pull of "+r.datatype, err)
	}
	items, ok := a.Body.([]any)
	if !ok {
		return source.Page{}, fault.New(fault.Invalid, "pull of %s: the answer of %s is not an array", r.datatype, r.base.Host)
	}
	if len(items) == 0 {
		return source.Page{}, io.EOF
	}
	if r.mark.Clock.IsZero() {
		r.mark.Clock = a.Clock
	}
	if err := r.advance(items); err != nil {
		return source.Page{}, err
	}
	var p source.Page
	for _, item := range items {
		theirs, ok := item.(map[string]any)
		if !ok {
			p.Rejects = append(p.Rejects, source.Reject{Reason: "is not a JSON object", Raw: item})
			continue
		}
		row, reject := r.pull(theirs)
		if reject != nil {
			p.Rejects = append(p.Rejects, *reject)
			continue
		}
		p.Rows = append(p.Rows, r.cols.Of(row))
	}
	r.mark.Done += int64(len(items))
	r.mark.Last = rest.Later(r.mark.Last, p.Rows, r.spec.Spec, r.mark.Clock.Add(-r.spec.Margin))
	p.Cursor, p.Done = r.mark.Last, r.mark.Done
	p.Resume, err = json.Marshal(r.mark)
	return p, err
}

// advance moves the mark to the last row that has an id. It returns an error if the mark
// does not move: a server that ignores the filter would keep a pull running for ever.
func (r *reader) advance(items []any) error {
	before := mark{Postcode: r.mark.Postcode, ID: r.mark.ID}
	for i := len(items) - 1; i >= 0; i-- {
		if m, ok := items[i].(map[string]any); ok && isScalar(m["id"]) {
			r.mark.Postcode, r.mark.ID = m["postcode"], m["id"]
			break
		}
	}
	if text(before.ID) == text(r.mark.ID) && text(before.Postcode) == text(r.mark.Postcode) {
		return fault.New(fault.Unavailable, "pull of %s: %s sent the same page twice: it seems to ignore the filter", r.datatype, r.base.Host)
	}
	return nil
}

func isScalar(v any) bool {
	switch v.(type) {
	case string, json.Number:
		return true
	}
	return false
}
