package decode_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
)

type paging struct {
	Style string `json:"style" decode:"required" enum:"none page link"`
	Size  int    `json:"size" default:"100" range:"1..1000 items"`
}

type common struct {
	List string `json:"list"`
}

type document struct {
	common
	Name    string             `json:"name" decode:"required" format:"name"`
	Mode    string             `json:"mode" decode:"anycase,nullable" enum:"ALL FIRST" default:"ALL"`
	Paging  *paging            `json:"paging"`
	Each    []paging           `json:"each"`
	Hosts   []string           `json:"hosts" least:"2 hosts" format:"name"`
	Types   map[string]*paging `json:"types"`
	Share   *float64           `json:"share" range:"0..1" default:"0.2"`
	Secret  string             `json:"secret" decode:"secret" format:"long"`
	Kind    string             `json:"kind" decode:"secret" enum:"a b"`
	Options json.RawMessage    `json:"options"`
	Any     any                `json:"any"`
	Some    any                `json:"some" types:"string integer"`
	Flag    bool               `json:"flag"`

	hidden int
}

var formats = decode.Formats{
	"name": {Pattern: regexp.MustCompile(`^[a-z-]+$`), Must: "must be lower case", Show: strings.ToUpper},
	"long": {Check: func(s string) string {
		if len(s) < 8 {
			return "must have 8 bytes"
		}
		return ""
	}},
}

func read(f *decode.Faults, text string) (d document, faults string) {
	f.Formats = formats
	f.Decode("$", []byte(text), &d)
	lines := make([]string, len(f.Details()))
	for i, one := range f.Details() {
		lines[i] = one.String()
	}
	return d, strings.Join(lines, "\n")
}

// A 0 outside of a range is a fault where the document is read strictly, and means omitted elsewhere.
func TestZeroOutsideTheRange(t *testing.T) {
	t.Parallel()
	const doc = `{"name":"a","each":[{"style":"none","size":0}]}`
	_, faults := read(&decode.Faults{Strict: true}, doc)
	require.Equal(t, "$.each[0].size: must be from 1 to 1000 items", faults)
	d, faults := read(&decode.Faults{}, doc)
	require.Empty(t, faults)
	require.Equal(t, 100, d.Each[0].Size)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	d, faults := read(&decode.Faults{Strict: true}, ` {"name":"a","list":"l","mode":"first","paging":{"style":"page"},"each":[{"style":"none"}],
		"hosts":["a","b"],"types":{"x-y":{"style":"link","size":7}},"share":0,"secret":"12345678","kind":"b",
		"options":{"n": 1.50},"any":[12345678901234567890,{"a":"\u00e9"}],"flag":true}`+"\n")
	require.Empty(t, faults)
	zero := 0.0
	require.Equal(t, document{
		common: common{"l"}, Name: "a", Mode: "FIRST", Paging: &paging{"page", 100}, Each: []paging{{"none", 100}},
		Hosts: []string{"a", "b"}, Types: map[string]*paging{"x-y": {"link", 7}}, Share: &zero, Secret: "12345678", Kind: "b",
		Options: json.RawMessage(`{"n": 1.50}`), Any: []any{json.Number("12345678901234567890"), map[string]any{"a": "é"}}, Flag: true,
	}, d)
	require.Zero(t, d.hidden)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	share := 0.2
	want := document{Name: "a", Mode: "ALL", Share: &share}
	for _, text := range []string{`{"name":"a"}`, `{"name":"a","mode":"","secret":"","kind":""}`} {
		d, faults := read(&decode.Faults{Strict: true}, text)
		require.Empty(t, faults)
		require.Equal(t, want, d)
	}
	d, faults := read(&decode.Faults{}, `{"name":"a","mode":null,"share":null,"paging":null,"hosts":null,"any":null,"flag":null}`)
	require.Empty(t, faults)
	require.Equal(t, want, d)
	want.Name = ""
	var filled document
	(&decode.Faults{}).Fill(&filled)
	require.Equal(t, want, filled)
}

func TestEveryFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"several", `{"color":1,"name":"A b","mode":"SOME","paging":{"style":"x","size":1001},"each":[{},3,{"style":"page","size":1.5}],"hosts":["a"],"share":2,"flag":"true"}`,
			`$.color: unknown field; the fields are any, each, flag, hosts, kind, list, mode, name, options, paging, secret, share, some, types
$.name: must be lower case, not "A B"
$.mode: must be ALL or FIRST, not "SOME"
$.paging.style: must be none, page or link, not "x"
$.paging.size: must be from 1 to 1000 items
$.each[0].style: is required
$.each[1]: must be an object, not a number
$.each[2].size: must be an integer, not 1.5
$.hosts: must have at least two hosts
$.share: must be from 0 to 1
$.flag: must be true or false, not a string`},
		{"a near name", `{"nmae":"a"}`, "$.nmae: unknown field; did you mean \"name\"?\n$.name: is required"},
		{"in a map", `{"name":"a","types":{"x-y":{"style":"page","sice":1},"a.b":7}}`, "$.types.x-y.sice: unknown field; did you mean \"size\"?\n$.types[\"a.b\"]: must be an object, not a number"},
		{"twice", `{"name":"a","types":{"x":{"style":"page"},"x":{"style":"page"}},"name":"b"}`, "$.types.x: given twice\n$.name: given twice"},
		{"null", `{"name":null,"mode":null,"flag":null}`, "$.name: must be a string, not null\n$.flag: must be true or false, not null"},
		{"another type", `{"name":"a","some":null}`, "$.some: must be a string or an integer, not null"},
		{"yet another type", `{"name":"a","some":[1]}`, "$.some: must be a string or an integer, not an array"},
		{"large", `{"name":"a","paging":{"style":"page","size":99999999999999999999},"share":1e999}`, "$.paging.size: must be from 1 to 1000 items\n$.share: is too large a number"},
		{"letter case", `{"Name":"a"}`, "$.Name: unknown field; did you mean \"name\"?\n$.name: is required"},
		{"two values", `{"name":"a"} {}`, "$: not JSON: line 1, column 14: invalid character '{' after top-level value"},
		{"empty", " ", "$: not JSON: it is empty"},
		{"not UTF-8", "{\n\"\xff\"}", "$: not UTF-8: line 2, column 2"},
		{"no object", `[]`, "$: must be an object, not an array"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, faults := read(&decode.Faults{Strict: true}, c.text)
			require.Equal(t, c.want, faults)
		})
	}
}

// A credential may stand where it does not belong, or be too short.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	_, faults := read(&decode.Faults{}, `{"name":"a","secret":"hunter2","kind":"hunter2","flag":"hunter2","share":"hunter2","types":"hunter2","more":"hunter2","each":["hunter2"]}`)
	require.Equal(t, 7, strings.Count(faults, "\n")+1, faults)
	require.NotContains(t, faults, "hunter2")
	require.Contains(t, faults, "$.secret: must have 8 bytes\n$.kind: must be a or b\n")
}

func TestAnyCase(t *testing.T) {
	t.Parallel()
	d, faults := read(&decode.Faults{AnyCase: true, Strict: true}, `{"NAME":"a","List":"b"}`)
	require.Empty(t, faults)
	require.Equal(t, "a", d.Name)
	require.Equal(t, "b", d.List)
	_, faults = read(&decode.Faults{AnyCase: true, Strict: true}, `{"NAME":"a","name":"b"}`)
	require.Equal(t, `$.name: given twice, as "NAME" and "name"`, faults)
}

func TestTheLastCounts(t *testing.T) {
	t.Parallel()
	d, faults := read(&decode.Faults{}, `{"name":"a","paging":{"style":"page","size":3},"name":"b","paging":{"style":"none"}}`)
	require.Empty(t, faults)
	require.Equal(t, "b", d.Name)
	require.Equal(t, &paging{"none", 100}, d.Paging)
}

// Rules that look at several fields add their faults without looking at what was read.
func TestAdd(t *testing.T) {
	t.Parallel()
	var d document
	f := &decode.Faults{Formats: formats}
	f.Decode("options", []byte(`{"name":"A","paging":3,"hosts":["a"]}`), &d)
	f.Add("options.name", "is said already")
	f.Add("options.paging.size", "could not be read")
	f.Add("options.hosts[0]", "is %d of the list", 1)
	f.Add("url", "is needed")
	f.Add("url", "is needed")
	f.Add("url", "is another")
	require.Equal(t, []fault.Detail{
		{Path: "options.name", Message: `must be lower case, not "A"`},
		{Path: "options.paging", Message: "must be an object, not a number"},
		{Path: "options.hosts", Message: "must have at least two hosts"},
		{Path: "options.hosts[0]", Message: "is 1 of the list"},
		{Path: "url", Message: "is needed"},
		{Path: "url", Message: "is another"},
	}, f.Details())
}

// A text of a megabyte may have a hundred thousand faults.
func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	_, faults := read(&decode.Faults{}, `{"name":"a","each":[`+strings.Repeat(`{"x":1,"y":2},`, 50_000)+`{}]}`)
	lines := strings.Split(faults, "\n")
	require.Len(t, lines, 101)
	require.Equal(t, "there are more faults: these are the first 100", lines[100])
}

func TestTagsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, into := range map[string]any{
		"flag": &struct {
			A string `decode:"requird"`
		}{},
		"range": &struct {
			A int `range:"1-2"`
		}{},
		"least": &struct {
			A []string `least:"two"`
		}{},
		"default": &struct {
			A int `default:"x"`
		}{},
		"format": &struct {
			A string `decode:"required" format:"x"`
		}{},
		"type": &struct{ A chan int }{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Panics(t, func() {
				f := &decode.Faults{}
				f.Decode("$", []byte(`{"A":"b"}`), into)
				f.Decode("$", []byte(`{}`), into)
			})
		})
	}
}
