package apisource

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// circle detects a list that leads back to an earlier page (Brent's algorithm). A pull
// would follow such a list for ever. The circle needs the same small room for a list of
// any length, so it is part of Resume, and a pull that changes processes keeps it.
type circle struct {
	At    string `json:"at,omitempty"`
	Steps int    `json:"steps,omitempty"`
	Until int    `json:"until,omitempty"`
}

// closes notes the next page and reports whether it occurred before. It may detect a
// circle only after some rounds.
func (c *circle) closes(at string) bool {
	if at == c.At {
		return true
	}
	if c.Steps == c.Until {
		c.At, c.Steps, c.Until = at, 0, max(1, 2*c.Until)
	}
	c.Steps++
	return false
}

// advance moves the mark to the next page, or notes that the list ended.
func (r *reader) advance(a *rest.Answer, at *url.URL, items []any) error {
	if r.mark.Empty++; len(items) > 0 {
		r.mark.Empty = 0
	}
	if r.mark.Empty > maxEmpty {
		return r.fault(fault.Unavailable, "%s sent %d pages without an item one after the other, and each leads to another page", r.base.Host, maxEmpty)
	}
	more, err := r.more(a, len(items))
	if err != nil {
		return err
	}
	switch {
	case !more || r.paging.Style == "none":
		r.mark.Ended = true
		return nil
	case r.paging.counts():
		return r.count(items)
	}
	token, err := r.nextToken(a, at)
	if err != nil {
		return err
	}
	if token == "" {
		if r.paging.More != "" {
			return r.fault(fault.Invalid, "the answer of %s says that there is another page (options.paging.more), but not where it is", r.base.Host)
		}
		r.mark.Ended = true
		return nil
	}
	repeated, err := r.repeats(token, items)
	switch {
	case err != nil:
		return err
	case repeated:
		return r.fault(fault.Unavailable, "the list of %s leads in a circle", r.base.Host)
	case len(items) == 0 && token == r.mark.Token && r.paging.More == "": // the end of a scroll
		r.mark.Ended = true
		return nil
	}
	r.mark.Token = token
	return nil
}

// more reports whether there may be another page: the answer says so, or the definition
// has no options.paging.more and so leaves it to the other signs.
func (r *reader) more(a *rest.Answer, n int) (bool, error) {
	if r.paging.More == "" {
		return n > 0 || !r.paging.counts(), nil
	}
	v, ok := rest.Path(a.Body, r.paging.More)
	switch v := v.(type) {
	case nil:
		if ok {
			return false, nil
		}
	case bool:
		return v, nil
	case string:
		return v != "" && !strings.EqualFold(v, "false"), nil
	case json.Number:
		return v != "0", nil
	}
	return false, r.fault(fault.Invalid, "the answer of %s does not say whether there is more at %s (options.paging.more)", r.base.Host, r.paging.More)
}

// count moves the mark to the next position. A page with the same content as an earlier
// one is an error: the server ignores the position, or the rows moved. The pull would
// otherwise run for ever or miss rows.
func (r *reader) count(items []any) error {
	repeated, err := r.repeats("", items)
	if err != nil {
		return err
	}
	if repeated || len(items) == 0 && r.paging.Style == "offset" {
		return r.fault(fault.Unavailable, "%s sent the same page twice: it seems to ignore the position", r.base.Host)
	}
	if r.paging.Style == "page" {
		r.mark.Page++
	} else {
		r.mark.Page += len(items)
	}
	return nil
}

// repeats notes a page and the token that it leads to, and reports whether it occurred before.
// The token alone does not tell: a scroll has one for all of its pages, and other servers
// make a new one for each call. A page with the same items occurred before, and so did one
// with the same token and items of the same keys, whose other fields may change with each
// call. A page without items tells nothing.
func (r *reader) repeats(token string, items []any) (bool, error) {
	if len(items) == 0 {
		return false, nil
	}
	b, err := json.Marshal(items)
	if err != nil {
		return false, err
	}
	sum := digest(b)
	known := sum == r.mark.Before || r.mark.Circle.closes(sum)
	r.mark.Before = sum
	keys := make([]any, 0, len(items)*len(r.pull.Key))
	for _, item := range items {
		for _, column := range r.pull.Key {
			key, ok := rest.Path(item, column)
			if !ok || key == nil {
				return known, nil
			}
			keys = append(keys, key)
		}
	}
	if b, err = json.Marshal(append(keys, token)); err != nil {
		return false, err
	}
	return r.mark.Keys.closes(digest(b)) || known, nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// nextToken returns the token or the URL of the next page, or "" if the answer has none.
func (r *reader) nextToken(a *rest.Answer, at *url.URL) (string, error) {
	var token string
	if r.paging.Style == "link" {
		token = nextLink(a.Header.Values("Link"))
	} else {
		v, _ := rest.Path(a.Body, r.paging.Next)
		switch v := v.(type) {
		case nil:
		case string:
			token = v
		case json.Number:
			token = v.String()
		case bool:
			if v {
				return "", r.wrongToken()
			}
		default:
			return "", r.wrongToken()
		}
	}
	if token == "" || r.paging.Style == "cursor" {
		return token, nil
	}
	u, err := r.follow(at, token)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func (r *reader) wrongToken() error {
	return r.fault(fault.Invalid, "the value in the answer of %s at %s is neither a token nor a URL of a page (options.paging.next)", r.base.Host, r.paging.Next)
}

// follow returns the URL of a link. It refuses links to another host, because the
// credentials belong to one host only. It removes credentials from the URL, because the
// URL is stored with the pull and a server may repeat them in its links.
func (r *reader) follow(from *url.URL, link string) (*url.URL, error) {
	u, err := from.Parse(link)
	if err != nil || !sameOrigin(u, r.base) {
		return nil, r.fault(fault.Invalid, "the next page is not on %s://%s, and is not followed", r.base.Scheme, r.base.Host)
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if r.Auth != nil && r.Auth.Query != "" {
		if q := u.Query(); q.Has(r.Auth.Query) {
			q.Del(r.Auth.Query)
			u.RawQuery = q.Encode()
		}
	}
	return u, nil
}
