package event

import (
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
)

// Rules say what of a request is kept: not the credentials, which package credential
// knows by their names, nor what Drop names, but in spite of that list what Keep names.
// A name is a header's in canonical form, or a query parameter's after "?".
type Rules struct{ Drop, Keep []string }

func (r Rules) header(name string) bool {
	return slices.Contains(r.Drop, name) || credential.Header(name) && !slices.Contains(r.Keep, name)
}

func (r Rules) parameter(name string) bool {
	is := func(rule string) bool { return strings.HasPrefix(rule, "?") && strings.EqualFold(rule[1:], name) }
	return slices.ContainsFunc(r.Drop, is) || credential.Named(name) && !slices.ContainsFunc(r.Keep, is)
}

// Receive returns what is kept of a request beside its body. header has canonical
// names. What is left out is named in Redacted; its value is nowhere in the result.
func (r Rules) Receive(method string, header map[string][]string, rawQuery string) Meta {
	m := Meta{Method: method}
	var left, more []string
	m.Headers, left = r.headers(header)
	if rawQuery != "" {
		var exact bool
		if rawQuery, more = r.query(rawQuery); rawQuery != "" {
			if m.Query, exact = Query(rawQuery); !exact {
				m.RawQuery = Text(rawQuery)
			}
		}
	}
	m.Redacted = append(left, more...)
	slices.Sort(m.Redacted)
	m.Redacted = slices.Compact(m.Redacted)
	return m
}

// headers returns the headers to keep, their values in valid UTF-8. A proxy may repeat the request's
// URL in one (X-Original-Url), and a browser the page's (Referer): those keep no
// parameter either that is a credential.
func (r Rules) headers(h map[string][]string) (kept map[string][]string, left []string) {
	kept = make(map[string][]string, len(h))
	for name, values := range h {
		if r.header(name) {
			left = append(left, Text(name))
			continue
		}
		copied := false
		for i, v := range values {
			now, names := credential.RedactParameters(Text(v), r.parameter)
			for _, p := range names {
				left = append(left, Text(name)+"?"+Text(p))
			}
			if now == v {
				continue
			}
			if !copied { // the request is not changed
				values, copied = slices.Clone(values), true
			}
			values[i] = now
		}
		kept[name] = values
	}
	return kept, left
}

// query returns the query without the pairs that are credentials. A pair may have
// others in its value, after ";" or as a URL of its own: they are redacted there.
func (r Rules) query(raw string) (kept string, left []string) {
	all := strings.Split(raw, "&")
	pairs := all[:0]
	for _, pair := range all {
		name, _, _ := strings.Cut(pair, "=")
		plain := name
		if p, err := url.QueryUnescape(name); err == nil {
			plain = p
		}
		if r.parameter(plain) {
			left = append(left, "?"+Text(plain))
			continue
		}
		now, names := credential.RedactParameters("?"+pair, r.parameter)
		for _, p := range names {
			left = append(left, "?"+Text(plain)+"?"+Text(p))
		}
		pairs = append(pairs, now[1:])
	}
	return strings.Join(pairs, "&"), left
}

// Query parses a query without losing any of it: a pair that is malformed is
// kept as it is written, bytes that are not UTF-8 go through Text. exact is
// false if that, or a malformed pair, makes the result ambiguous; the caller
// then keeps raw beside it.
func Query(raw string) (values map[string][]string, exact bool) {
	values, exact = make(map[string][]string), true
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		key, errK := url.QueryUnescape(k)
		val, errV := url.QueryUnescape(v)
		if errK != nil {
			key = k
		}
		if errV != nil {
			val = v
		}
		if errK != nil || errV != nil || notUTF8(key) || notUTF8(val) {
			exact = false
		}
		key = Text(key)
		values[key] = append(values[key], Text(val))
	}
	return values, exact
}
