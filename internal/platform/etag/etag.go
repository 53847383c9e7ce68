// Package etag makes ETags of versions and evaluates the preconditions If-Match and
// If-None-Match (RFC 9110, 13.1). It only decides; the caller sends the answer.
package etag

import (
	"strconv"
	"strings"
)

// Of returns the ETag of a version. It is strong.
func Of(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// IfMatch returns the If-Match of a request's header, or "". Several lines are joined to
// one list, as HTTP demands.
func IfMatch(header map[string][]string) string { return strings.Join(header["If-Match"], ", ") }

// Matches reports whether an If-Match allows a change of the resource whose ETag is
// current; current is "" if the resource does not exist. An empty If-Match allows every
// change. Comparison is strong: a weak ETag, such as W/"1", never matches.
func Matches(ifMatch, current string) bool {
	switch {
	case ifMatch == "":
		return true
	case !strings.HasPrefix(current, `"`):
		return false
	case ifMatch == "*":
		return true
	}
	for tag := range strings.SplitSeq(ifMatch, ",") { // our ETags contain no comma
		if strings.TrimSpace(tag) == current {
			return true
		}
	}
	return false
}

// Unchanged reports whether the caller already has the version whose ETag is current,
// according to the header's If-None-Match. Comparison is weak, as HTTP demands for GET.
func Unchanged(header map[string][]string, current string) bool {
	for tag := range strings.SplitSeq(strings.Join(header["If-None-Match"], ","), ",") {
		tag = strings.TrimSpace(tag)
		if current != "" && (tag == "*" || strings.TrimPrefix(tag, "W/") == current) {
			return true
		}
	}
	return false
}
