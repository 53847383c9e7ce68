package csvsource

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/charset"
	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// options are datasource.options.
type options struct {
	IncludesHeadings *bool    `json:"includesHeadings" default:"true"`
	Columns          []string `json:"columns"` // names in order, where there are no headings or others are wanted
	// Headers has the column of a heading.
	Headers   map[string]string `json:"headers"`
	Delimiter string            `json:"delimiter"` // one character; "": the first line tells
	// Encoding is the encoding of a file without a byte order mark; "": the one that an HTTP
	// server names, or else UTF-8.
	Encoding string `json:"encoding"`
	Trim     bool   `json:"trim"`    // white space around values
	Comment  string `json:"comment"` // one character; lines that begin with it are no rows
	// Null is the text without quotes that stands for NULL, such as "" or \N. Without it, NULL
	// is written as an empty text and read as one.
	Null *string `json:"null"`
}

// scanner returns a scanner of the text with the options.
func (o *options) scanner(ctx context.Context, text io.Reader) *scanner {
	s := newScanner(ctx, text)
	s.null = o.Null
	if o.Comment != "" {
		s.comment = o.Comment[0]
	}
	return s
}

func (o *options) headings() bool { return o.IncludesHeadings == nil || *o.IncludesHeadings }

// check returns every fault of the definition.
func check(d source.Datasource) []fault.Detail {
	_, faults := parse(d)
	return faults
}

func parse(d source.Datasource) (o options, faults []fault.Detail) {
	f := &decode.Faults{}
	d.DecodeOptions(f, &o)
	if _, err := parseLocation(d.FileURL); err != nil {
		f.Add("fileUrl", "%s", err)
	}
	if d.URL != "" {
		f.Add("url", "does not belong to csv: fileUrl says where the file is")
	}
	if !slices.Contains([]string{"", "csv", "tsv"}, strings.ToLower(d.FileFormat)) {
		f.Add("fileFormat", "must be csv or tsv, not %q", decode.Short(d.FileFormat))
	}
	if o.Delimiter != "" && (len(o.Delimiter) != 1 || strings.ContainsAny(o.Delimiter, "\"\r\n")) {
		f.Add("options.delimiter", "must be one ASCII character other than a quote and the ends of lines, not %q", decode.Short(o.Delimiter))
	}
	if o.Comment != "" && (len(o.Comment) != 1 || o.Comment[0] >= 0x80 || strings.ContainsAny(o.Comment, "\"\r\n ") || o.Comment == o.Delimiter) {
		f.Add("options.comment", "must be one ASCII character other than a blank, a quote, the delimiter and the ends of lines, not %q", decode.Short(o.Comment))
	}
	if o.Null != nil && (strings.ContainsAny(*o.Null, "\"\r\n") || o.Delimiter != "" && strings.Contains(*o.Null, o.Delimiter)) {
		f.Add("options.null", "must be a text without quotes, delimiters and ends of lines, not %q", decode.Short(*o.Null))
	}
	if _, ok := charset.Named(o.Encoding); !ok {
		f.Add("options.encoding", "must be the name of an encoding, such as utf-8, utf-16, latin-1 or windows-1252, not %q", decode.Short(o.Encoding))
	}
	if !o.headings() && len(o.Columns) == 0 {
		f.Add("options.columns", "is required where includesHeadings is false: the names of the columns, in order")
	}
	for i, c := range o.Columns {
		if c == "" || slices.Contains(o.Columns[:i], c) {
			f.Add(decode.Index("options.columns", i), "must be a name that is there once")
		}
	}
	return o, f.Details()
}

// location is the place of the file.
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
