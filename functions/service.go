package functions

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
)

type serviceKey struct{}

// withService serves every path under /services/{service} too. It cuts the name off the
// path itself because a ServeMux cannot match a name that holds a slash.
func withService(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/services/")
		escaped, rest, more := strings.Cut(rest, "/")
		if !ok || !more || escaped == "" {
			h.ServeHTTP(w, r)
			return
		}
		rest = "/" + rest
		// The ServeMux redirects to a clean path, but it no longer knows the service here.
		if clean := cleanPath(rest); clean != rest {
			to := "/services/" + escaped + clean
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		name, err := url.PathUnescape(escaped)
		path := ""
		if err == nil {
			path, err = url.PathUnescape(rest)
		}
		if err != nil { // cannot happen: EscapedPath is valid
			http.Error(w, "malformed path", http.StatusBadRequest)
			return
		}
		inner := r.WithContext(context.WithValue(r.Context(), serviceKey{}, name))
		u := *r.URL
		u.Path, u.RawPath = path, rest
		inner.URL = &u
		h.ServeHTTP(w, inner)
	})
}

// service returns the name that the path gave; "" means the only or the first service.
func service(r *http.Request) (name string, given bool) {
	name, given = r.Context().Value(serviceKey{}).(string)
	return name, given
}

// cleanPath returns the path without empty and dot segments.
func cleanPath(p string) string {
	clean := path.Clean(p)
	if clean != "/" && strings.HasSuffix(p, "/") {
		clean += "/"
	}
	return clean
}
