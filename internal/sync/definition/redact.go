package definition

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// methods are the methods of authentication that auth is meant to name. Any other text
// there may be a credential.
var methods = []string{"", "none", "api-key", "apiKey", "basic", "bearer", "token", "oauth2"}

// private are options that are sent as credentials although their names do not say so:
// some systems take a token as the user, and a workflow's id is sent in a header.
var private = []string{"user", "username", "workflowid"}

// setting matches values of extra fields that are surely no credential.
var setting = regexp.MustCompile(`^([0-9]{1,6}|true|false)?$`)

// Redact returns the definition without its credentials. A definition that is sent back
// like this keeps them: see keepSecrets.
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
	return credential.Redacted
}

func shownField(f source.ExtraField) string {
	switch {
	case f.Value == "" || credential.IsReference(f.Value):
		return f.Value
	case !isPrivate(f.Name) && setting.MatchString(f.Value):
		return f.Value
	}
	return credential.Redacted
}

func isPrivate(name string) bool {
	return credential.Named(name) || slices.Contains(private, strings.ToLower(name))
}

// shower returns a function that returns the redacted form of the option at a path. It needs
// all options, because they declare which headers are public.
func shower(d source.Datasource) func(path []string, value any) any {
	if d.Type == "csv" { // its "headers" are the names of columns, and no option is a credential
		return func(_ []string, value any) any { return value }
	}
	var declared struct {
		PublicHeaders []string `json:"publicHeaders"`
	}
	_ = json.Unmarshal(d.Options, &declared) // if that fails, no header is public
	public := func(header string) bool {
		return slices.ContainsFunc(declared.PublicHeaders, func(name string) bool { return strings.EqualFold(name, header) })
	}
	return func(path []string, value any) any {
		text, isText := value.(string)
		name := path[len(path)-1]
		header := slices.Contains(path[:len(path)-1], "headers") && !public(name)
		switch {
		case value == nil || value == "" || isText && credential.IsReference(text):
			return value
		case isPrivate(name) || header:
			if _, isFlag := value.(bool); isFlag {
				return value
			}
			return credential.Redacted
		case isText:
			return credential.RedactText(text)
		}
		return value
	}
}

// complete is keepSecrets, unless the definition is of another system: then it may have no
// redacted credentials.
func (s *Sync) complete(old *Sync) []fault.Detail {
	if path := s.carriesOver(old); path != "" {
		return []fault.Detail{{Path: path, Message: "is another system: put the credentials for it in place of " + credential.Redacted}}
	}
	return s.keepSecrets(old)
}

// keepSecrets puts the credentials of old in place of their redaction marks. It returns
// a fault for each mark that it must not replace: at another place, or in a header that
// is declared public, the credential would be shown. A mark in a URL that was changed
// around it is a fault as well, because its credential cannot be told.
func (s *Sync) keepSecrets(old *Sync) (faults []fault.Detail) {
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
	if d.Auth == credential.Redacted {
		d.Auth = was.Auth
	}
	for i, f := range d.ExtraFields {
		if f.Value != credential.Redacted {
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

func unfilled(path string) fault.Detail {
	return fault.Detail{Path: "datasource." + path, Message: "put the credential itself in place of " + credential.Redacted}
}

// hides reports whether a text has a redaction mark in it.
func hides(text string) bool { return strings.Contains(text, credential.Redacted) }

// carriesOver returns the path of the field by which a definition would send redacted
// credentials to another system than the one that they are for; "" if it would not.
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
	asks := d.Auth == credential.Redacted || slices.ContainsFunc(d.ExtraFields, func(f source.ExtraField) bool { return f.Value == credential.Redacted })
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

// systemOf returns the part of a URL that names the system.
func systemOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "" // a file, or a form of URL in which a credential stands before the host
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// walk replaces every value in the options that is neither an object nor a list. replace
// gets the value, and the one at the same path in the other options.
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

// walkTree walks v, which is at the path. The path has the names of members only: an
// item of a list may move.
func walkTree(path []string, v, other any, replace func(path []string, now, before any) any) any {
	switch v := v.(type) {
	case map[string]any:
		o, _ := other.(map[string]any)
		for k, x := range v {
			// A path is judged by its last name: below "auth" not everything is secret.
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
	case map[string]any, []any: // an object or a list stood there, so no single value
		other = nil
	}
	if len(path) == 0 {
		return v
	}
	return replace(path, v, other)
}
