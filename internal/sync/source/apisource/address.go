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

// names are those of the placeholders of a template.
func names(template string) (out []string) {
	for _, p := range placeholder.FindAllString(template, -1) {
		out = append(out, p[1:len(p)-1])
	}
	return out
}

// addressed reports whether the URL is that of one row.
func (w *write) addressed() bool { return addressed(w.URL) }

func addressed(template string) bool {
	for _, name := range names(template) {
		if name != "type" {
			return true
		}
	}
	return false
}

// errKey is in the error of a row whose key cannot be part of a URL.
var errKey = errors.New("the key cannot be in a URL")

// address fills in a template and returns the URL, which is on the host of
// datasource.url.
func (a *api) address(template string, values map[string]string) (*url.URL, error) {
	var b strings.Builder
	last := 0
	for _, at := range placeholder.FindAllStringIndex(template, -1) {
		name := template[at[0]+1 : at[1]-1]
		v, ok := values[name]
		if !ok {
			return nil, fault.New(fault.Invalid, "a URL of the data source has {%s}, which is neither type, id nor a column of a key that is known", name)
		}
		b.WriteString(template[last:at[0]])
		last = at[1]
		switch {
		case strings.ContainsRune(template[:at[0]], '?'):
			b.WriteString(url.QueryEscape(v))
		case v == "" || v == "." || v == "..": // it would address the list, or something else
			return nil, fault.Wrap(fault.Invalid, errKey, "%q is no %s that a URL can have", v, name)
		default:
			b.WriteString(strings.ReplaceAll(url.PathEscape(v), ":", "%3A")) // what is before a colon is a scheme
		}
	}
	b.WriteString(template[last:])
	u, err := a.base.Parse(b.String())
	if err != nil || !sameOrigin(u, a.base) {
		return nil, fault.New(fault.Invalid, "a URL of the data source leads away from %s", a.base.Host)
	}
	return u, nil
}

// sameOrigin is whether what is for one URL may be sent to the other.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// keyText is a part of a key as it stands in a URL.
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
