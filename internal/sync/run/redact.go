package run

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/sync/source"
)

// Redacted is what stands for a credential that is not shown. A definition that
// is sent back with it keeps the credential.
const Redacted = credential.Redacted

// methods of authentication are what auth is for. Whatever else stands there may
// be a credential.
var methods = []string{"", "none", "api-key", "apiKey", "basic", "bearer", "token", "oauth2"}

// private are options that are sent as credentials although they are not named like one:
// a user may be a token, and a workflow's id is a header's value.
var private = []string{"user", "username", "workflowid"}

// setting is a value of an extra field that no credential has.
var setting = regexp.MustCompile(`^([0-9]{1,6}|true|false)?$`)

// Redact returns the definition without its credentials.
func (s Sync) Redact() Sync {
	d := &s.Datasource
	d.URL, d.FileURL, d.Auth = credential.RedactURL(d.URL), credential.RedactURL(d.FileURL), shownAuth(d.Auth)
	if d.ExtraFields != nil {
		fields := make([]source.ExtraField, len(d.ExtraFields))
		for i, f := range d.ExtraFields {
			fields[i] = source.ExtraField{Name: f.Name, Value: shownField(f)}
		}
		d.ExtraFields = fields
	}
	show := shower(*d)
	d.Options = walk(d.Options, nil, func(path []string, now, _ any) any { return show(path, now) })
	return s
}

func shownAuth(auth string) string {
	if slices.Contains(methods, auth) || credential.IsReference(auth) {
		return auth
	}
	return Redacted
}

func shownField(f source.ExtraField) string {
	switch {
	case f.Value == "" || credential.IsReference(f.Value):
		return f.Value
	case !isPrivate(f.Name) && setting.MatchString(f.Value):
		return f.Value
	}
	return Redacted
}

func isPrivate(name string) bool {
	return credential.Named(name) || slices.Contains(private, strings.ToLower(name))
}

// shower returns a function that says what is shown of the option at a path. It depends on
// the whole of the options, for they declare which headers are public.
func shower(d source.Datasource) func(path []string, value any) any {
	if d.Type == "csv" { // no option of it holds a credential: its headers are those of columns
		return func(_ []string, value any) any { return value }
	}
	var declared struct {
		PublicHeaders []string `json:"publicHeaders"`
	}
	_ = json.Unmarshal(d.Options, &declared) // of another form: none is public
	public := func(header string) bool {
		return slices.ContainsFunc(declared.PublicHeaders, func(name string) bool { return strings.EqualFold(name, header) })
	}
	return func(path []string, value any) any {
		text, isText := value.(string)
		name := path[len(path)-1]
		header := len(path) > 1 && path[0] == "headers" && !public(name)
		switch {
		case value == nil || value == "" || isText && credential.IsReference(text):
			return value
		case isPrivate(name) || header:
			if _, isFlag := value.(bool); isFlag {
				return value
			}
			return Redacted
		case isText:
			return credential.RedactText(text)
		}
		return value
	}
}

// keepSecrets fills in what a definition that was shown redacted leaves out. It returns
// a fault for what it must not fill in: at another place, or declared to be public, a
// credential would be shown; and one whose URL was changed around it is not found again.
func (s *Sync) keepSecrets(old *Sync) (faults []source.Fault) {
	shown := old.Redact().Datasource
	d, was := &s.Datasource, &old.Datasource
	keep := func(path string, now *string, shown, before string) {
		switch {
		case *now == shown:
			*now = before
		case hides(*now) && hides(shown):
			faults = append(faults, unfilled(path))
		}
	}
	keep("url", &d.URL, shown.URL, was.URL)
	keep("fileUrl", &d.FileURL, shown.FileURL, was.FileURL)
	if d.Auth == Redacted {
		d.Auth = was.Auth
	}
	for i, f := range d.ExtraFields {
		if f.Value != Redacted {
			continue
		}
		for _, o := range was.ExtraFields {
			if o.Name == f.Name {
				d.ExtraFields[i].Value = o.Value
			}
		}
	}
	showNow, showBefore := shower(*d), shower(*was)
	d.Options = walk(d.Options, was.Options, func(path []string, now, before any) any {
		text, isText := now.(string)
		if !isText || before == nil || !hides(text) {
			return now
		}
		switch is := showBefore(path, before); {
		case is == before: // nothing was hidden there
			return now
		case is != now || showNow(path, before) != now:
			faults = append(faults, unfilled("options."+strings.Join(path, ".")))
			return now
		}
		return before
	})
	return faults
}

func unfilled(path string) source.Fault {
	return source.Fault{Path: "datasource." + path, Message: "put the credential itself in place of " + Redacted}
}

// hides reports whether a text stands for one that has a credential.
func hides(text string) bool { return strings.Contains(text, Redacted) }

// carriesOver is the fault of a definition that would take credentials as they were
// shown, redacted, to another system than they are for: "" if it would not.
func (s *Sync) carriesOver(old *Sync) string {
	d, was := s.Datasource, old.Datasource
	path := ""
	switch {
	case systemOf(d.URL) != systemOf(was.URL):
		path = "datasource.url"
	case systemOf(d.FileURL) != systemOf(was.FileURL):
		path = "datasource.fileUrl"
	case d.Type != was.Type:
		path = "datasource.type"
	default:
		return ""
	}
	asks := d.Auth == Redacted || slices.ContainsFunc(d.ExtraFields, func(f source.ExtraField) bool { return f.Value == Redacted })
	walk(d.Options, nil, func(_ []string, now, _ any) any {
		text, isText := now.(string)
		asks = asks || isText && hides(text)
		return now
	})
	if !asks {
		return ""
	}
	return path
}

// systemOf is what of a URL says which system is meant.
func systemOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "" // a file here, or one of the forms in which a credential is part of it
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// walk replaces every value in the options that is neither an object nor a list: now is
// what stands there, before what stood at the same path in other options.
func walk(options, other json.RawMessage, replace func(path []string, now, before any) any) json.RawMessage {
	tree, ok := decodeTree(options)
	if !ok {
		return options
	}
	before, _ := decodeTree(other)
	out, err := json.Marshal(walkTree(nil, tree, before, replace))
	if err != nil {
		return options
	}
	return out
}

func decodeTree(raw json.RawMessage) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

// walkTree has the path of names; a list's place is not part of it.
func walkTree(path []string, v, other any, replace func(path []string, now, before any) any) any {
	switch v := v.(type) {
	case map[string]any:
		o, _ := other.(map[string]any)
		for k, x := range v {
			// Below a name such as "auth" what is secret has names of its own.
			v[k] = walkTree(append(slices.Clip(path), k), x, o[k], replace)
		}
		return v
	case []any:
		o, _ := other.([]any)
		for i, x := range v {
			var before any
			if i < len(o) {
				before = o[i]
			}
			v[i] = walkTree(path, x, before, replace)
		}
		return v
	}
	switch other.(type) {
	case map[string]any, []any: // nothing that stood there in its place
		other = nil
	}
	if len(path) == 0 {
		return v
	}
	return replace(path, v, other)
}
