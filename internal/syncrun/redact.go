package syncrun

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/credential"
	"github.com/headgate/headgate/internal/source"
)

// Redacted is what stands for a credential that is not shown. A definition that
// is sent back with it keeps the credential.
const Redacted = "REDACTED"

// methods of authentication are what auth is for. Whatever else stands there may
// be a credential.
var methods = []string{"", "none", "api-key", "apiKey", "basic", "bearer", "token", "oauth2"}

// Redact returns the definition without its credentials.
func (s Sync) Redact() Sync {
	d := &s.Datasource
	d.URL, d.FileURL = credential.RedactURL(d.URL), credential.RedactURL(d.FileURL)
	if !slices.Contains(methods, d.Auth) && !credential.IsReference(d.Auth) {
		d.Auth = Redacted
	}
	fields := make([]source.ExtraField, len(d.ExtraFields))
	for i, f := range d.ExtraFields {
		if credential.Named(f.Name) && !credential.IsReference(f.Value) {
			f.Value = Redacted
		}
		fields[i] = f
	}
	if d.ExtraFields != nil {
		d.ExtraFields = fields
	}
	d.Options = walk(d.Options, nil, func(_, _ string) string { return Redacted })
	return s
}

// keepSecrets fills in what a definition that was shown redacted leaves out.
func (s *Sync) keepSecrets(old *Sync) {
	shown := old.Redact()
	d, was := &s.Datasource, &old.Datasource
	if d.URL == shown.Datasource.URL {
		d.URL = was.URL
	}
	if d.FileURL == shown.Datasource.FileURL {
		d.FileURL = was.FileURL
	}
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
	d.Options = walk(d.Options, was.Options, func(now, before string) string {
		if now == Redacted && before != "" {
			return before
		}
		return now
	})
}

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
	default:
		return ""
	}
	asks := d.Auth == Redacted || slices.ContainsFunc(d.ExtraFields, func(f source.ExtraField) bool { return f.Value == Redacted })
	walk(d.Options, nil, func(now, _ string) string {
		asks = asks || now == Redacted
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

// walk replaces every credential in the options: now is what stands there, before
// what stood there in other options.
func walk(options, other json.RawMessage, replace func(now, before string) string) json.RawMessage {
	tree, ok := decodeTree(options)
	if !ok {
		return options
	}
	before, _ := decodeTree(other)
	out, err := json.Marshal(walkTree("", tree, before, replace))
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

func walkTree(name string, v, other any, replace func(now, before string) string) any {
	switch v := v.(type) {
	case map[string]any:
		o, _ := other.(map[string]any)
		for k, x := range v {
			// Below a name such as "auth" or "headers" what is secret has names of its own.
			v[k] = walkTree(k, x, o[k], replace)
		}
		return v
	case []any:
		o, _ := other.([]any)
		for i, x := range v {
			var before any
			if i < len(o) {
				before = o[i]
			}
			v[i] = walkTree(name, x, before, replace)
		}
		return v
	case string:
		if credential.Named(name) && !credential.IsReference(v) {
			before, _ := other.(string)
			return replace(v, before)
		}
	}
	return v
}
