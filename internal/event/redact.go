package event

import (
	"encoding/json"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
)

// Rules say what of a request is kept: not the credentials, which package credential
// knows by their names, nor what Drop names, but in spite of that list what Keep names.
// A name is a header's in canonical form, or a query parameter's after "?".
type Rules struct{ Drop, Keep []string }

// header reports whether a header is left out: for its name, or for a value that is a
// credential under any name.
func (r Rules) header(name string, values ...string) bool {
	if slices.Contains(r.Drop, name) {
		return true
	}
	secret := credential.Header(name) || slices.ContainsFunc(values, func(v string) bool { return credential.Sent(name, v) })
	return secret && !slices.Contains(r.Keep, name)
}

func (r Rules) parameter(name, value string) bool {
	is := func(rule string) bool { return strings.HasPrefix(rule, "?") && strings.EqualFold(rule[1:], name) }
	secret := name == credential.User || credential.Named(name) || credential.Sent(name, value)
	return slices.ContainsFunc(r.Drop, is) || secret && !slices.ContainsFunc(r.Keep, is)
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
		if r.header(name, values...) {
			left = append(left, Text(name))
			continue
		}
		copied := false
		for i, v := range values {
			now, found := r.text(name, Text(v))
			left = append(left, found...)
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

// text returns a value without the credentials of URLs in it, and the names of these
// after that of the value. The whole may be percent-encoded, as attributes of CloudEvents
// in headers are: it is decoded only if there is something to leave out then.
func (r Rules) text(name, value string) (now string, left []string) {
	now, found := credential.RedactParameters(value, r.parameter)
	if strings.ContainsRune(now, '%') {
		if plain, err := url.PathUnescape(now); err == nil {
			if plain, more := credential.RedactParameters(Text(plain), r.parameter); more != nil {
				now, found = plain, append(found, more...)
			}
		}
	}
	for _, p := range found {
		left = append(left, Text(name)+"?"+Text(p))
	}
	return now, left
}

// CloudEvent completes m with the attributes of a CloudEvent, without credentials. What
// is left out is named as the headers of the binary mode are. No CloudEvent is without
// the required attributes, so these lose only what is secret in their text.
func (r Rules) CloudEvent(m *Meta, attrs map[string]json.RawMessage) {
	if attrs == nil {
		return
	}
	m.CloudEvent = make(map[string]json.RawMessage, len(attrs))
	left := slices.Clone(m.Redacted) // the items of a batch share it
	for name, raw := range attrs {
		header, value := textproto.CanonicalMIMEHeaderKey("Ce-"+name), unquote(raw)
		if !slices.Contains(required[:], name) && r.header(header, value) {
			left = append(left, header)
			continue
		}
		now, found := r.text(header, value)
		if found != nil {
			left, raw = append(left, found...), quote(now)
		}
		m.CloudEvent[name] = raw
	}
	slices.Sort(left)
	m.Redacted = slices.Compact(left)
}

// query returns the query without the pairs that are credentials. A pair may have
// others in its value, after ";" or as a URL of its own: they are redacted there.
func (r Rules) query(raw string) (kept string, left []string) {
	all := strings.Split(raw, "&")
	pairs := all[:0]
	for _, pair := range all {
		name, value, _ := strings.Cut(pair, "=")
		plain := unescape(name)
		if r.parameter(plain, unescape(value)) {
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

// unescape returns what cannot be unescaped as it is written.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
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
