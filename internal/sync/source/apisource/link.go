package apisource

import "strings"

// nextLink returns the unresolved target of the link with the relation "next" (RFC 8288),
// or "" if there is none.
func nextLink(headers []string) string {
	for _, h := range headers {
		for h != "" {
			target, params, rest, ok := oneLink(h)
			if !ok {
				break
			}
			if isNext(params) {
				return target
			}
			h = rest
		}
	}
	return ""
}

// oneLink reads one link, <target> and its parameters, up to the comma after it.
func oneLink(h string) (target string, params []string, rest string, ok bool) {
	_, h, ok = strings.Cut(h, "<")
	if !ok {
		return "", nil, "", false
	}
	target, h, ok = strings.Cut(h, ">")
	if !ok {
		return "", nil, "", false
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(h); i++ {
		switch c := h[i]; {
		case quoted && c == '\\' && i+1 < len(h):
			i++
			b.WriteByte(h[i])
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			params = append(params, b.String())
			b.Reset()
		case c == ',' && !quoted:
			return strings.TrimSpace(target), append(params, b.String()), h[i+1:], true
		default:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(target), append(params, b.String()), "", true
}

// isNext reports whether the first parameter rel names "next" among its relations. By RFC
// 8288 further parameters rel are ignored.
func isNext(params []string) bool {
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for rel := range strings.FieldsSeq(value) {
			if strings.EqualFold(rel, "next") {
				return true
			}
		}
		return false
	}
	return false
}
