package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
)

// ports maps the URL schemes whose hosts receive credentials to their default ports.
var ports = map[string]string{
	"http": "80", "https": "443", "postgres": "5432", "postgresql": "5432", "mysql": "3306", "mariadb": "3306",
}

// To returns the one host:port that the definition's credentials may be sent to, or ""
// if the definition names no host. A source sends credentials nowhere else.
func (d Datasource) To() string {
	text := d.URL
	if text == "" {
		text = d.FileURL
	}
	return HostOf(text)
}

// HostOf returns the host:port of a URL, or "" if it names no host, or its scheme has no port
// that is known.
func HostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = ports[u.Scheme]
	}
	if port == "" {
		return ""
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// Hosts returns the host:port of every URL in the definition. What a source answers may name
// others.
func (d Datasource) Hosts() (hosts []string) {
	d.texts(func(_, text string) {
		if host := HostOf(text); host != "" {
			hosts = append(hosts, host)
		}
	})
	return hosts
}

// References returns every reference to a credential in the definition.
func (d Datasource) References() (refs []string) {
	d.references(func(_, ref string) { refs = append(refs, ref) })
	return refs
}

// Bound returns To if the definition refers to credentials, and "" otherwise. A source
// with a bound host calls no other host. A link or a redirect in an answer may name
// another one, and would otherwise carry the deployment's credentials there.
func (d Datasource) Bound() (to string) {
	d.references(func(string, string) { to = d.To() })
	return to
}

// Credential returns the credential at a path of the definition, such as
// "options.password". A plain value is returned unchanged. A reference is resolved if
// the deployment allows definitions to send that credential to the definition's host.
func (e Env) Credential(ctx context.Context, d Datasource, path, value string) (string, error) {
	if !credential.IsReference(value) {
		return value, nil
	}
	if e.Secret == nil {
		return "", fault.New(fault.Invalid, "datasource.%s: references to credentials are not resolved here", path)
	}
	v, err := e.Secret(ctx, value, d.To())
	if err != nil {
		return "", fault.Wrap(fault.CodeOf(err), err, "datasource.%s: %s", path, message(err))
	}
	return v, nil
}

// CheckReferences returns a fault for each reference in the definition whose credential
// may not be sent to the definition's host. It also checks references in places where
// no source resolves them, because nobody writes one as plain text on purpose.
func (e Env) CheckReferences(d Datasource) (faults []fault.Detail) {
	if e.MaySend == nil {
		return nil
	}
	to := d.To()
	d.references(func(path, value string) {
		if err := e.MaySend(value, to); err != nil {
			faults = append(faults, fault.Detail{Path: path, Message: message(err)})
		}
	})
	return faults
}

// references calls do with the path and the value of every reference in the definition.
func (d Datasource) references(do func(path, value string)) {
	d.texts(func(path, value string) {
		if credential.IsReference(value) {
			do(path, value)
		}
	})
}

// texts calls do with the path and the text of every value that may be text.
func (d Datasource) texts(do func(path, text string)) {
	do("url", d.URL)
	do("fileUrl", d.FileURL)
	do("auth", d.Auth)
	for i, f := range d.ExtraFields {
		do(fmt.Sprintf("extraFields[%d].value", i), f.Value)
	}
	var tree any
	dec := json.NewDecoder(bytes.NewReader(d.Options))
	dec.UseNumber()
	if dec.Decode(&tree) == nil {
		texts("options", tree, do)
	}
}

// message returns the text of an error that people may see. The text of an unknown
// error stays hidden because it may hold the credential.
func message(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return "the credential cannot be found now"
}

// texts calls do for every string in a JSON value. Object members come in the order of
// their names, so that faults have a stable order.
func texts(path string, v any, do func(path, text string)) {
	switch v := v.(type) {
	case string:
		do(path, v)
	case []any:
		for i, x := range v {
			texts(fmt.Sprintf("%s[%d]", path, i), x, do)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			texts(path+"."+name, v[name], do)
		}
	}
}
