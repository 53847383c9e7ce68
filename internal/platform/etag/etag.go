// Package etag has the ETags of versions and the preconditions If-Match and
// If-None-Match (RFC 9110, 13.1). It decides, and answers nobody: what has no match is the caller's to refuse.
package etag

import (
	"strconv"
	"strings"
)

// Of returns the ETag of a version. It is a strong one.
func Of(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// IfMatch returns the If-Match of a request's header, of which several lines are one
// list; "" if it has none.
func IfMatch(header map[string][]string) string { return strings.Join(header["If-Match"], ", ") }

// Matches is whether an If-Match lets a request change what has the ETag current, ""
// if there is nothing. No If-Match lets it. Comparison is strong: a weak ETag, W/"1",
// is no version's.
func Matches(ifMatch, current string) bool {
	switch {
	case ifMatch == "":
		return true
	case !strings.HasPrefix(current, `"`):
		return false
	case ifMatch == "*":
		return true
	}
	for tag := range strings.SplitSeq(ifMatch, ",") { // none of ours has a comma
		if strings.TrimSpace(tag) == current {
			return true
		}
	}
	return false
}

// Unchanged is whether an If-None-Match of the header says that the caller has what
// has the ETag current. Comparison is weak, as it is for GET.
func Unchanged(header map[string][]string, current string) bool {
	for tag := range strings.SplitSeq(strings.Join(header["If-None-Match"], ","), ",") {
		tag = strings.TrimSpace(tag)
		if current != "" && (tag == "*" || strings.TrimPrefix(tag, "W/") == current) {
			return true
		}
	}
	return false
}
