package event

import (
	"encoding/json"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
)

// Rules decide which headers and parameters of a request are kept. Credentials, which
// package credential recognises, are dropped unless Keep names them. Everything that Drop
// names is dropped. A name is a header's in canonical form, or a query parameter's after "?".
type Rules struct{ Drop, Keep []string }

// header reports whether a header is dropped: because of its name, or because a value is a
// credential under any name.
func (r Rules) header(name string, values ...string) bool {
	if slices.Contains(r.Drop, name) {
		return true
	}
	secret := credential.Header(name) || slices.ContainsFunc(values, func(v string) bool { return credential.Sent(name, v) })
	return secret && !slices.Contains(r.Keep, name)
}

// parameter reports whether a query parameter is dropped, for the same reasons.
func (r Rules) parameter(name, value string) bool {
	is := func(rule string) bool { return strings.HasPrefix(rule, "?") && strings.EqualFold(rule[1:], name) }
	secret := name == credential.User || credential.Named(name) || credential.Sent(name, value)
	return slices.ContainsFunc(r.Drop, is) || secret && !slices.ContainsFunc(r.Keep, is)
}

// Receive returns the parts of a request, other than its body, that are kept. header has
// canonical names. Redacted names everything that was dropped. The dropped values appear
// nowhere in the result.
func (r Rules) Receive(method string, header map[string][]string, rawQuery string) Meta {
	m := Meta{Method: method}
	var left, more []string
	m.Headers, left = r.headers(header)
	if rawQuery != "" {
		var exact bool
		if rawQuery, more = r.redactQuery(rawQuery); rawQuery != "" {
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

// headers returns the headers to keep, with values in valid UTF-8. A proxy may repeat the
// request's URL in a header (X-Original-Url), and a browser the page's (Referer), so
// credentials are dropped from the parameters of such URLs too.
func (r Rules) headers(h map[string][]string) (kept map[string][]string, left []string) {
	kept = make(map[string][]string, len(h))
	for name, values := range h {
		if r.header(name, values...) {
			left = append(left, Text(name))
			continue
		}
		copied := false
		for i, v := range values {
			now, found := r.redactText(name, Text(v))
			left = append(left, found...)
			if now == v {
				continue
			}
			if !copied { // the request's own slice must stay unchanged
				values, copied = slices.Clone(values), true
			}
			values[i] = now
		}
		kept[name] = values
	}
	return kept, left
}

// redactText drops the credentials of URLs in a value, and returns their names, prefixed with
// the value's. The whole value may be percent-encoded, as CloudEvents attributes in headers
// are. It is stored decoded only if the decoded text had a credential to drop.
func (r Rules) redactText(name, value string) (now string, left []string) {
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

// CloudEvent adds the attributes of a CloudEvent to m, without credentials. Redacted names
// the dropped ones as headers of the binary mode. The required attributes are never dropped
// whole, because the rest would not be a CloudEvent: they lose only the secrets in their text.
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
		now, found := r.redactText(header, value)
		if found != nil {
			left, raw = append(left, found...), quote(now)
		}
		m.CloudEvent[name] = raw
	}
	slices.Sort(left)
	m.Redacted = slices.Compact(left)
}

// PubSub adds what a Pub/Sub push says about its message to m, without credentials. Redacted
// names the dropped attributes as headers: an unwrapped push has them there.
func (r Rules) PubSub(m *Meta, p PubSub) {
	kept := make(map[string]string, len(p.Attributes))
	left := slices.Clone(m.Redacted)
	for name, value := range p.Attributes {
		header := textproto.CanonicalMIMEHeaderKey(Text(name))
		if r.header(header, value) {
			left = append(left, header)
			continue
		}
		now, found := r.redactText(header, value)
		left = append(left, found...)
		kept[name] = now
	}
	slices.Sort(left)
	m.Redacted = slices.Compact(left)
	p.Attributes = kept
	m.PubSub = &p
}

// redactQuery drops the pairs that are credentials. The value of another pair may contain
// credentials too, after ";" or in a URL: they are redacted in place.
func (r Rules) redactQuery(raw string) (kept string, left []string) {
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

// unescape decodes a part of a query. It returns a malformed part unchanged.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// Query parses a query without losing any of it. It keeps a malformed pair as it is
// written, and converts bytes that are not UTF-8 with Text. exact is false if either
// happened, because the result is then ambiguous and the caller has to keep raw beside it.
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
