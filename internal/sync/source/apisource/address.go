package apisource

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// names returns the names of the placeholders in a template.
func names(template string) (out []string) {
	for _, p := range placeholder.FindAllString(template, -1) {
		out = append(out, p[1:len(p)-1])
	}
	return out
}

// addressed reports whether the operation's URL names one row.
func (w *write) addressed() bool { return addressed(w.URL) }

func addressed(template string) bool {
	for _, name := range names(template) {
		if name != "type" {
			return true
		}
	}
	return false
}

// errKey marks the error of a row whose key cannot be part of a URL. It concerns this row
// only, so the push continues with the others.
var errKey = errors.New("the key cannot be in a URL")

// address fills in a template and returns the URL. Keys come from records, so they are
// escaped, and the result must still be on the host of datasource.url: the credentials
// belong to that host, and a key must not send them elsewhere.
func (a *api) address(template string, values map[string]string) (*url.URL, error) {
	var b strings.Builder
	last := 0
	for _, at := range placeholder.FindAllStringIndex(template, -1) {
		name := template[at[0]+1 : at[1]-1]
		v, ok := values[name]
		if !ok {
			return nil, fault.New(fault.Invalid, "a URL of the data source has {%s}, which is neither type nor id nor a column of the row's key", name)
		}
		b.WriteString(template[last:at[0]])
		last = at[1]
		switch {
		case strings.ContainsRune(template[:at[0]], '?'):
			b.WriteString(url.QueryEscape(v))
		case v == "" || v == "." || v == "..": // the URL would name the list or another resource
			return nil, fault.Wrap(fault.Invalid, errKey, "%q cannot be the %s in a URL", v, name)
		default:
			b.WriteString(strings.ReplaceAll(url.PathEscape(v), ":", "%3A")) // text before a colon would be read as a scheme
		}
	}
	b.WriteString(template[last:])
	u, err := a.base.Parse(b.String())
	if err != nil || !sameOrigin(u, a.base) {
		return nil, fault.New(fault.Invalid, "a URL of the data source leads away from %s", a.base.Host)
	}
	return u, nil
}

// sameOrigin reports whether the two URLs have the same scheme, host and port, so that the
// credentials of one may be sent to the other.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// keyText returns a part of a key as text for a URL, not yet escaped.
func keyText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v)
	}
}
