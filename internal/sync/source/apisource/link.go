package apisource

import "strings"

// next returns the target of the link whose relation is "next" (RFC 8288), as it
// stands there; "" if there is none.
func next(headers []string) string {
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

// oneLink reads <target> and its parameters up to the comma that ends them.
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

// isNext looks at the first rel, which is the one that counts; it may name several.
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
