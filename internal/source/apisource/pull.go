package apisource

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/source"
	"github.com/headgate/headgate/internal/source/rest"
)

// mark is where a pull is. It is what Resume holds.
type mark struct {
	Page  int           `json:"page,omitempty"`  // or offset, of the next page
	Token string        `json:"token,omitempty"` // or URL, of the next page
	Ended bool          `json:"ended,omitempty"`
	Clock time.Time     `json:"clock,omitzero"` // the server's, when the pull began
	Last  source.Cursor `json:"last"`
	Done  int64         `json:"done"`
}

type reader struct {
	*api
	pull  source.Pull
	res   resource
	style string
	mark  mark
	rows  rest.Rows
	seen  map[[32]byte]bool // tokens, and the page before
	last  [32]byte
}

// Pull implements source.Source.
func (a *api) Pull(_ context.Context, p source.Pull) (source.Reader, error) {
	r := &reader{api: a, pull: p, res: a.of(p.Datatype), style: "none", seen: map[[32]byte]bool{}}
	if r.res.Paging == nil {
		r.res.Paging = &paging{}
	}
	r.style = cmp.Or(r.res.Paging.Style, "none")
	r.mark.Last = p.Cursor
	switch {
	case p.Resume != nil:
		if err := json.Unmarshal(p.Resume, &r.mark); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the pull of %s cannot be resumed: this is not where it was", p.Datatype)
		}
	case r.res.Paging.Start != nil:
		r.mark.Page = *r.res.Paging.Start
	case r.style == "page":
		r.mark.Page = 1
	}
	return r, nil
}

func (r *reader) Close() error { return nil }

// Next implements source.Reader.
func (r *reader) Next(ctx context.Context) (source.Page, error) {
	if err := ctx.Err(); err != nil {
		return source.Page{}, err
	}
	if r.mark.Ended {
		return source.Page{}, io.EOF
	}
	target, err := r.target()
	if err != nil {
		return source.Page{}, err
	}
	answer, err := r.Call(ctx, "GET", target.String(), nil, nil)
	if err != nil {
		return source.Page{}, r.failed("pull", err)
	}
	items, err := r.items(answer)
	if err != nil {
		return source.Page{}, err
	}
	if r.mark.Clock.IsZero() {
		r.mark.Clock = answer.Clock
	}
	if len(items) == 0 && (r.style == "page" || r.style == "offset") {
		r.mark.Ended = true
		return source.Page{}, io.EOF
	}
	if err := r.advance(answer, target, len(items)); err != nil {
		return source.Page{}, err
	}
	return r.page(items)
}

func (r *reader) page(items []any) (p source.Page, err error) {
	p.Rows, p.Rejects = r.rows.Split(items)
	r.mark.Done += int64(len(items))
	r.mark.Last = rest.Later(r.mark.Last, p.Rows, r.pull.CursorTime, r.mark.Clock.Add(-r.pull.Margin))
	p.Cursor, p.Done = r.mark.Last, r.mark.Done
	p.Resume, err = json.Marshal(r.mark)
	return p, err
}

// failed says what the call was for.
func (a *api) failed(verb string, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	return fault.Wrap(f.Code, err, "%s: %s", verb, f.Message)
}

func (r *reader) failed(verb string, err error) error {
	return r.api.failed(verb+" of "+r.pull.Datatype, err)
}

// target is the URL of the next page.
func (r *reader) target() (*url.URL, error) {
	if r.mark.Token != "" && (r.style == "link" || r.style == "url") {
		u, err := url.Parse(r.mark.Token)
		if err != nil || u.Host != r.base.Host || u.Scheme != r.base.Scheme {
			return nil, r.astray()
		}
		return u, nil
	}
	u, err := r.url(cmp.Or(r.res.List, r.base.String()), map[string]string{"type": r.pull.Datatype})
	if err != nil {
		return nil, err
	}
	q := u.Query()
	p := r.res.Paging
	switch {
	case r.style == "page":
		q.Set(cmp.Or(p.Param, "page"), strconv.Itoa(r.mark.Page))
	case r.style == "offset":
		q.Set(cmp.Or(p.Param, "offset"), strconv.Itoa(r.mark.Page))
	case r.style == "cursor" && r.mark.Token != "":
		q.Set(cmp.Or(p.Param, "cursor"), r.mark.Token)
	}
	if p.SizeParam != "" {
		q.Set(p.SizeParam, strconv.Itoa(cmp.Or(p.Size, min(r.pull.PageSize, 100))))
	}
	if s := r.res.Since; s != nil && r.pull.CursorTime != "" && !r.pull.Cursor.Time.IsZero() {
		q.Set(s.Param, s.text(r.pull.Cursor.Time.Add(-r.pull.Overlap)))
	}
	u.RawQuery = q.Encode()
	return u, nil
}

func (s *since) text(t time.Time) string {
	switch s.Format {
	case "date":
		return t.UTC().Format(time.DateOnly)
	case "unix":
		return strconv.FormatInt(t.Unix(), 10)
	case "unixms":
		return strconv.FormatInt(t.UnixMilli(), 10)
	default:
		return t.UTC().Format(time.RFC3339)
	}
}

// items are those of an answer.
func (r *reader) items(a *rest.Answer) ([]any, error) {
	v, ok := rest.Path(a.Body, r.res.Items)
	if list, isList := v.([]any); ok && isList {
		return list, nil
	}
	if ok && v == nil && (r.res.Items != "" || len(a.Raw) == 0) {
		return nil, nil // null: nothing
	}
	where := "which should be the list of items"
	if r.res.Items != "" {
		where = "at " + r.res.Items
	}
	return nil, fault.New(fault.Invalid, "pull of %s: the answer of %s has no array %s", r.pull.Datatype, r.base.Host, where)
}

// advance finds what leads to the next page. A list that leads back to where it
// was would never end.
func (r *reader) advance(a *rest.Answer, at *url.URL, n int) error {
	sum := sha256.Sum256(bytes.TrimSpace(a.Raw))
	p := r.res.Paging
	switch r.style {
	case "page", "offset":
		if n > 0 && sum == r.last {
			return fault.New(fault.Unavailable, "pull of %s: %s sent the same page twice: paging does not move", r.pull.Datatype, r.base.Host)
		}
		if r.last = sum; r.style == "page" {
			r.mark.Page++
		} else {
			r.mark.Page += n
		}
		return nil
	case "cursor":
		v, _ := rest.Path(a.Body, p.Next)
		r.mark.Token = tokenText(v)
	case "url":
		v, _ := rest.Path(a.Body, p.Next)
		r.mark.Token = tokenText(v)
	case "link":
		r.mark.Token = next(a.Header.Values("Link"))
	}
	if r.mark.Token == "" {
		r.mark.Ended = true
		return nil
	}
	if r.style != "cursor" {
		u, err := at.Parse(r.mark.Token)
		if err != nil || u.Host != r.base.Host || u.Scheme != r.base.Scheme {
			return r.astray()
		}
		r.mark.Token = u.String()
	}
	key := sha256.Sum256([]byte(r.mark.Token))
	if r.seen[key] {
		return fault.New(fault.Unavailable, "pull of %s: the list of %s leads in a circle", r.pull.Datatype, r.base.Host)
	}
	r.seen[key] = true
	return nil
}

// astray: the credentials are for one host only.
func (r *reader) astray() error {
	return fault.New(fault.Invalid, "pull of %s: the next page is not on %s, and is not followed", r.pull.Datatype, r.base.Host)
}

func tokenText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case nil, bool:
		return ""
	default:
		return fmt.Sprint(v)
	}
}
