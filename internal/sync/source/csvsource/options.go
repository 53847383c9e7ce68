package csvsource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/sync/source"
)

// options are datasource.options.
type options struct {
	IncludesHeadings *bool             `json:"includesHeadings"` // default true
	Columns          []string          `json:"columns"`          // names in order, where there are no headings or others are wanted
	Headers          map[string]string `json:"headers"`          // heading → column
	Delimiter        string            `json:"delimiter"`        // one character; default: found out
	Encoding         string            `json:"encoding"`         // default: UTF-8, or UTF-16 by its mark
	Trim             bool              `json:"trim"`             // white space around values
}

func (o *options) headings() bool { return o.IncludesHeadings == nil || *o.IncludesHeadings }

// encodings that have to be named; nil: UTF-8.
var encodings = map[string]encoding.Encoding{
	"": nil, "utf-8": nil,
	"utf-16":       unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-16le":     unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"utf-16be":     unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	"latin-1":      charmap.ISO8859_1,
	"iso-8859-1":   charmap.ISO8859_1,
	"windows-1252": charmap.Windows1252,
}

// decodeOptions reads the options, with every fault.
func decodeOptions(raw json.RawMessage) (options, []source.Fault) {
	var o options
	if len(raw) == 0 {
		return o, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return o, []source.Fault{{Path: "options", Message: "must be an object"}}
	}
	known := map[string]any{
		"includesHeadings": &o.IncludesHeadings, "columns": &o.Columns, "headers": &o.Headers,
		"delimiter": &o.Delimiter, "encoding": &o.Encoding, "trim": &o.Trim,
	}
	var faults []source.Fault
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		into, ok := known[name]
		if !ok {
			faults = append(faults, source.Fault{
				Path: "options." + name, Message: "is not an option of csv: the options are columns, delimiter, encoding, headers, includesHeadings, trim",
			})
			continue
		}
		if err := json.NewDecoder(bytes.NewReader(fields[name])).Decode(into); err != nil {
			faults = append(faults, source.Fault{Path: "options." + name, Message: "has the wrong type"})
		}
	}
	return o, faults
}

func check(d source.Datasource) []source.Fault {
	o, faults := decodeOptions(d.Options)
	add := func(path, format string, args ...any) {
		faults = append(faults, source.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if _, err := parseLocation(d.FileURL); err != nil {
		add("fileUrl", "%s", err)
	}
	if d.URL != "" {
		add("url", "does not belong to csv: fileUrl says where the file is")
	}
	if !slices.Contains([]string{"", "csv", "tsv"}, strings.ToLower(d.FileFormat)) {
		add("fileFormat", "must be csv or tsv, not %q", d.FileFormat)
	}
	if o.Delimiter != "" && (len(o.Delimiter) != 1 || strings.ContainsAny(o.Delimiter, "\"\r\n")) {
		add("options.delimiter", "must be one ASCII character other than a quote and the ends of lines, not %q", o.Delimiter)
	}
	if _, ok := encodings[strings.ToLower(o.Encoding)]; !ok {
		add("options.encoding", "must be utf-8, utf-16, utf-16le, utf-16be, latin-1 or windows-1252, not %q", o.Encoding)
	}
	if !o.headings() && len(o.Columns) == 0 {
		add("options.columns", "is required where includesHeadings is false: the names of the columns, in order")
	}
	for i, c := range o.Columns {
		if c == "" || slices.Contains(o.Columns[:i], c) {
			add(fmt.Sprintf("options.columns[%d]", i), "must be a name that is there once")
		}
	}
	return faults
}

// location is where the file is.
type location struct {
	path   string // in the directory that files may be in
	url    string // http or https
	bucket string
	object string
}

func parseLocation(text string) (location, error) {
	if text == "" {
		return location{}, fmt.Errorf("is required: a path, or a URL of the form http://, https:// or gs://")
	}
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if !hasScheme {
		path := filepath.FromSlash(text)
		if !filepath.IsLocal(path) {
			return location{}, fmt.Errorf("must be a path below the directory that syncs may use, not %q", credential.RedactURL(text))
		}
		return location{path: path}, nil
	}
	switch scheme {
	case "http", "https":
		if u, err := url.Parse(text); err != nil || u.Host == "" {
			return location{}, fmt.Errorf("is not a URL")
		}
		return location{url: text}, nil
	case "gs":
		bucket, object, ok := strings.Cut(rest, "/")
		if !ok || bucket == "" || object == "" {
			return location{}, fmt.Errorf("must be gs://bucket/object")
		}
		return location{bucket: bucket, object: object}, nil
	case "file":
		return parseLocation(strings.TrimPrefix(rest, "/"))
	default:
		return location{}, fmt.Errorf("must be a path, or a URL of the form http://, https:// or gs://, not %s://", scheme)
	}
}
