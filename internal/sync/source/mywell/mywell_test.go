package mywell_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/mywell"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

const token = "t0ken&s3cret"

// place is one datatype at a mock server.
type place struct {
	*mock.Server
	url      string
	datatype string
	theirs   string // the mock's name of the datatype
}

func newPlace(t testing.TB, datatype string) *place {
	extra := []string{"name", "value", "deleted"} // of the suite's records
	m := mock.NewMyWell(mock.Options{AccessToken: token, KeepTimes: true, Columns: map[string][]string{"village": extra, "resource": extra, "reading": extra}})
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	theirs := map[string]string{"group": "village"}[datatype]
	if theirs == "" {
		theirs = datatype
	}
	return &place{Server: m, url: srv.URL, datatype: datatype, theirs: theirs}
}

func (p *place) Open(t testing.TB) source.Source {
	d := source.Datasource{Type: "legacy-mywell", URL: p.url, Options: json.RawMessage(`{"accessToken":"env:T","pageSize":7}`)}
	require.Empty(t, mywell.Kind().Check(d))
	s, err := mywell.Kind().Open(context.Background(), d, source.Env{HTTP: sourcetest.HTTP(t), Now: time.Now, Secret: func(_ context.Context, v, _ string) (string, error) {
		return strings.ReplaceAll(v, "env:T", token), nil
	}})
	require.NoError(t, err)
	return s
}

func (p *place) Spec() source.Spec {
	s := mywell.Kind().Defaults(p.datatype)
	s.Datatype = p.datatype
	if p.datatype != "reading" {
		s.Deleted, s.DeletedEquals = "deleted", true
	}
	return s
}

// Put takes ids in the form "postcode.id", and "postcode.resourceId" for a reading.
func (p *place) Put(t testing.TB, rows ...sourcetest.Record) {
	for _, r := range rows {
		postcode, id, _ := strings.Cut(r.ID, ".")
		row := mock.Row{
			"id": json.Number(id), "postcode": json.Number(postcode), "name": r.Name, "value": r.Value,
			"updatedAt": r.UpdatedAt.Format(time.RFC3339Nano), "deleted": r.Deleted,
		}
		if p.datatype == "reading" {
			row["resourceId"], row["date"] = json.Number(id), "2026-01-05T00:00:00.000Z"
		}
		for _, there := range p.Server.Rows(p.theirs) { // the server chooses the ids of readings
			if p.datatype == "reading" && fmt.Sprint(there["resourceId"]) == id {
				row["id"] = there["id"]
			}
		}
		require.NoError(t, p.Server.Put(p.theirs, row))
	}
}

func (p *place) Remove(_ testing.TB, ids ...string) {
	for _, id := range ids {
		_, short, _ := strings.Cut(id, ".")
		for _, there := range p.Server.Rows(p.theirs) {
			if p.datatype == "reading" && fmt.Sprint(there["resourceId"]) == short {
				short = fmt.Sprint(there["id"])
			}
		}
		if p.datatype != "reading" {
			short = id
		}
		p.Delete(p.theirs, short)
	}
}

func (p *place) Rows(t testing.TB) map[string]sourcetest.Record {
	out := map[string]sourcetest.Record{}
	for _, row := range p.Server.Rows(p.theirs) {
		id := row["id"]
		if p.datatype == "reading" {
			id = row["resourceId"]
		}
		r, err := record(fmt.Sprintf("%v.%v", row["postcode"], id), row)
		require.NoError(t, err)
		require.NotContains(t, out, r.ID, "it is there twice")
		out[r.ID] = r
	}
	return out
}

func record(id string, row map[string]any) (r sourcetest.Record, err error) {
	b, err := json.Marshal(row)
	if err != nil {
		return r, err
	}
	var v struct {
		Name      string
		Value     float64
		UpdatedAt time.Time
		Deleted   bool
	}
	err = json.Unmarshal(b, &v)
	return sourcetest.Record{ID: id, Name: v.Name, Value: v.Value, UpdatedAt: v.UpdatedAt.UTC(), Deleted: v.Deleted}, err
}

func (p *place) PutBad(t testing.TB) {
	if p.datatype != "reading" {
		require.NoError(t, p.Server.Put(p.theirs, mock.Row{"id": "9999", "name": "no postcode", "updatedAt": "2026-01-01T00:00:00Z"}))
		return
	}
	require.NoError(t, p.Server.Put("reading", mock.Row{
		"id": json.Number("9999"), "postcode": json.Number("313603"), "resourceId": json.Number("1"), "date": "2026-01-05", "value": "high",
	}))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, datatype := range []string{"group", "resource", "reading"} {
		t.Run(datatype, func(t *testing.T) {
			t.Parallel()
			keyed := datatype != "reading"
			h := sourcetest.Harness{
				New:    func(t testing.TB) sourcetest.Place { return newPlace(t, datatype) },
				ID:     func(i int) string { return fmt.Sprintf("313603.%d", 5000+i) },
				Cursor: true, SoftDelete: keyed, Push: true, ChoosesKeys: keyed, Conditional: true, PartialUpdate: true, NUL: true,
				Read: func(row source.Row) (sourcetest.Record, error) {
					id, _ := row.Get("id")
					if !keyed {
						id, _ = row.Get("resourceId")
					}
					return record(fmt.Sprint(id), row.Map())
				},
				Key: func(id string) []any {
					if keyed {
						return []any{id}
					}
					return []any{id, "default", "2026-01-05T00:00:00Z"}
				},
				Fields: func(r sourcetest.Record) map[string]any {
					f := map[string]any{"name": r.Name, "value": r.Value, "updatedAt": r.UpdatedAt.Format(time.RFC3339Nano), "deleted": r.Deleted}
					if keyed {
						f["externalIds"] = map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": map[string]any{"group": strings.TrimPrefix(r.ID, "313603."), "resource": "11"}[datatype]}
					}
					return f
				},
			}
			sourcetest.Run(t, h)
		})
	}
}

func all(t testing.TB, s source.Source, datatype string) (rows []map[string]any, rejects []source.Reject) {
	t.Helper()
	spec := mywell.Kind().Defaults(datatype)
	spec.Datatype = datatype
	r, err := s.Pull(context.Background(), source.Pull{Spec: spec, PageSize: 100})
	require.NoError(t, err)
	for {
		page, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return rows, rejects
		}
		require.NoError(t, err)
		for _, row := range page.Rows {
			rows = append(rows, row.Map())
		}
		rejects = append(rejects, page.Rejects...)
	}
}

// A row of LegacyMyWell's sample data becomes a resource of OurWater.
func TestAResource(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "resource")
	var sample mock.Row
	require.NoError(t, json.Unmarshal([]byte(`{"id":1111567890,"geo":{"lat":24.5931130555556,"lng":74.1983086111111},"last_value":20.18,
		"well_depth":21.95,"last_date":"2018-08-06T14:30:00.000Z","owner":"Bagdi Ram s/o Kajod Ji","elevation":0,"type":"well","postcode":313603,
		"mobile":null,"createdAt":"2018-07-13T01:58:59.000Z","updatedAt":"2018-08-07T03:05:50.000Z","villageId":11,"villageId,postcode":null}`), &sample))
	sample["id"], sample["postcode"], sample["villageId"] = json.Number("1111567890"), json.Number("313603"), json.Number("11")
	require.NoError(t, p.Server.Put("resource", sample))
	rows, rejects := all(t, p.Open(t), "resource")
	require.Empty(t, rejects)
	got := rows[0]
	require.Equal(t, "313603.1111567890", got["id"])
	require.Equal(t, "well", got["resourceType"])
	require.Equal(t, "Bagdi Ram s/o Kajod Ji", got["owner"])
	require.Equal(t, json.Number("20.18"), got["lastValue"])
	require.Equal(t, json.Number("74.1983086111111"), got["coords"].(map[string]any)["lng"])
	require.Equal(t, map[string]any{
		"legacyMyWellId": "313603.1111567890", "legacyMyWellResourceId": "1111567890", "legacyMyWellVillageId": "11", "legacyMyWellPincode": "313603",
		"hasLegacyMyWellId": true, "hasLegacyMyWellResourceId": true, "hasLegacyMyWellVillageId": true, "hasLegacyMyWellPincode": true,
	}, got["externalIds"])
	require.NotContains(t, got, "villageId,postcode")
}

// A resource with a pincode and without an id is new. Its push returns the new id.
func TestANewResource(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "resource")
	s := p.Open(t)
	spec := p.Spec()
	c := source.Change{Op: source.Create, ID: "mine", Attempt: "a", Fields: map[string]any{
		"owner": "me", "resourceType": "well", "coords": map[string]any{"lat": 1.5, "lng": 2.5},
		"externalIds": map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": "11"},
	}}
	for range 2 { // the answer to the first push is lost
		results, err := s.Push(t.Context(), spec, []source.Change{c})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.Equal(t, []any{"313603.1110"}, results[0].Key)
		require.Equal(t, map[string]string{"legacyMyWellId": "313603.1110", "legacyMyWellResourceId": "1110", "legacyMyWellPincode": "313603"}, results[0].ExternalIDs)
	}
	require.Len(t, p.Server.Rows("resource"), 1)
	delete(c.Fields, "externalIds")
	results, err := s.Push(t.Context(), spec, []source.Change{c})
	require.NoError(t, err)
	require.ErrorContains(t, results[0].Err, "externalIds.legacyMyWellPincode is missing")
}

func TestReadingsAreMadeOnceAndChecked(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "reading")
	s := p.Open(t)
	reading := func(day int, value any) source.Change {
		at := fmt.Sprintf("2026-01-%02dT00:00:00Z", day)
		return source.Change{Op: source.Create, ID: at, Key: []any{"313603.117", "default", at}, Attempt: at, Fields: map[string]any{
			"resourceId": "313603.117", "timeseries": "default", "datetime": at, "value": value,
		}}
	}
	changes := []source.Change{reading(1, 1.5), reading(2, "high"), reading(3, 3.0)}
	for range 2 {
		results, err := s.Push(t.Context(), p.Spec(), changes)
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.ErrorContains(t, results[1].Err, "value is not a number")
		require.NotEmpty(t, results[2].ExternalIDs["legacyMyWellId"])
	}
	require.Len(t, p.Server.Rows("reading"), 2)
	other := reading(4, 1.0)
	other.Fields["timeseries"], other.Key[1] = "second", "second"
	results, err := s.Push(t.Context(), p.Spec(), []source.Change{other})
	require.NoError(t, err)
	require.ErrorContains(t, results[0].Err, "timeseries")
}

// Members that the server maintains, and the same values in another form, do not count as
// changes by others.
func TestNotMoved(t *testing.T) {
	t.Parallel()
	m := mock.NewMyWell(mock.Options{AccessToken: token}) // stamps updatedAt
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	p := &place{Server: m, url: srv.URL, datatype: "resource", theirs: "resource"}
	require.NoError(t, m.Put("resource", mock.Row{
		"id": 7, "postcode": 313603, "villageId": 11, "owner": "me", "type": "well", "elevation": json.Number("1.50"),
		"geo": map[string]any{"lat": json.Number("1.0"), "lng": json.Number("2e0")}, "last_date": "2026-01-05T00:00:00.000Z", "mobile": nil,
	}))
	s := p.Open(t)
	rows, _ := all(t, s, "resource")
	was := rows[0]
	was["elevation"], was["coords"], was["lastDate"] = 1.5, map[string]any{"lat": json.Number("1"), "lng": 2.0}, "2026-01-05T01:00:00+01:00"
	delete(was, "mobile")
	external := map[string]string{"legacyMyWellVillageId": "313603.12"} // somebody linked the resource to another village
	update := source.Change{
		Op: source.Update, Key: []any{"313603.7"}, Changed: []string{"elevation", "coords", "mobile"}, ExternalIDs: external,
		Fields: map[string]any{"elevation": 2.5, "coords": map[string]any{"lat": 3.0, "lng": 4.0}, "mobile": "1"},
		Expect: map[string]any{"elevation": was["elevation"], "coords": was["coords"], "mobile": nil},
	}
	push := func(c source.Change) error {
		results, err := s.Push(t.Context(), p.Spec(), []source.Change{c})
		require.NoError(t, err)
		return results[0].Err
	}
	require.NoError(t, push(update))
	require.NoError(t, push(update), "the update is sent again")
	gone := source.Change{Op: source.Delete, Key: update.Key, Expect: was, ExternalIDs: external}
	require.ErrorIs(t, push(gone), source.ErrMoved)
	was["elevation"], was["coords"], was["mobile"] = 2.5, update.Fields["coords"], "1"
	require.NoError(t, push(gone))
	require.Empty(t, m.Rows("resource"))
}

func TestBadReadingsAreRejects(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "reading")
	base := mock.Row{"postcode": json.Number("1"), "resourceId": json.Number("2"), "date": "2026-01-05", "value": json.Number("3")}
	for i, change := range []mock.Row{{}, {"value": "high"}, {"value": nil}, {"date": "yesterday"}, {"resourceId": nil}} {
		row := mock.Row{"id": json.Number(fmt.Sprint(i + 1))}
		for _, m := range []mock.Row{base, change} {
			for k, v := range m {
				row[k] = v
			}
		}
		require.NoError(t, p.Server.Put("reading", row))
	}
	rows, rejects := all(t, p.Open(t), "reading")
	require.Len(t, rows, 1)
	fields := []string{}
	for _, r := range rejects {
		fields = append(fields, r.Field)
	}
	require.Equal(t, []string{"value", "value", "date", "resourceId"}, fields)
}

func TestTheTokenIsNotShown(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "reading")
	p.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
	r, err := p.Open(t).Pull(t.Context(), source.Pull{Spec: p.Spec(), PageSize: 5})
	require.NoError(t, err)
	_, err = r.Next(t.Context())
	require.ErrorContains(t, err, "pull of reading")
	require.NotContains(t, err.Error(), "s3cret")
}

func TestFaultsOfADefinition(t *testing.T) {
	t.Parallel()
	for says, d := range map[string]source.Datasource{
		"url: must be an http": {URL: "mywell"},
		"url: must hold no":    {URL: "https://x/?access_token=y"},
		"options":              {URL: "https://x", Options: json.RawMessage(`{"colour":1}`)},
		"options.pageSize":     {URL: "https://x", Options: json.RawMessage(`{"pageSize":10001}`)},
		"selectedDatatypes[0]: \"well\" is not a type": {URL: "https://x", SelectedDatatypes: []string{"well"}},
	} {
		faults := mywell.Kind().Check(d)
		require.NotEmpty(t, faults, says)
		require.Contains(t, faults[0].String(), says)
	}
}

// One fault hides no other.
func TestEveryFaultOfADefinition(t *testing.T) {
	t.Parallel()
	require.Equal(t, []fault.Detail{
		{Path: "options.acessToken", Message: `unknown field; did you mean "accessToken"?`},
		{Path: "options.colour", Message: "unknown field; the fields are accessToken, pageSize, pincodeFromGroups, timeoutSeconds"},
		{Path: "options.pageSize", Message: "must be an integer, not a string"},
		{Path: "options.timeoutSeconds", Message: "must be from 1 to 600 seconds"},
		{Path: "url", Message: "must be an http or https URL"},
		{Path: "selectedDatatypes[1]", Message: `"well" is not a type of LegacyMyWell's, which has group, resource, reading`},
	}, mywell.Kind().Check(source.Datasource{
		URL: "mywell", SelectedDatatypes: []string{"group", "well"},
		Options: json.RawMessage(`{"acessToken":"s3cret","colour":1,"pageSize":"s3cret","timeoutSeconds":-1}`),
	}))
}
