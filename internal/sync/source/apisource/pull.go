package apisource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// maxEmpty is the largest number of consecutive pages without an item. Filters at the
// server can leave some pages empty; a list of only empty pages never ends.
const maxEmpty = 1000

// mark is the position of a pull and the content of Resume.
type mark struct {
	Page   int           `json:"page,omitempty"`  // number or offset of the next page
	Token  string        `json:"token,omitempty"` // token or URL of the next page
	Ended  bool          `json:"ended,omitempty"`
	Clock  time.Time     `json:"clock,omitzero"` // the server's clock when the pull began
	Last   source.Cursor `json:"last"`
	Done   int64         `json:"done"`
	Empty  int           `json:"empty,omitempty"`  // consecutive pages without items
	Before string        `json:"before,omitempty"` // digest of the page before
	Circle circle        `json:"circle,omitzero"`  // of the pages' items
	Keys   circle        `json:"keys,omitzero"`    // of their keys and the token that they lead to
}

type reader struct {
	*api
	pull   source.Pull
	res    resource
	paging paging
	mark   mark
	rows   rest.Rows
	total  int64 // of items, as the last answer that says so has it
}

// Pull implements source.Source.
func (a *api) Pull(_ context.Context, p source.Pull) (source.Reader, error) {
	r := &reader{api: a, pull: p, res: a.of(p.Datatype), paging: paging{Style: "none"}}
	if r.res.Paging != nil {
		r.paging = *r.res.Paging
	}
	r.mark.Last = p.Cursor
	switch {
	case p.Resume != nil:
		if err := json.Unmarshal(p.Resume, &r.mark); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the pull of %s cannot be resumed: its saved position is not one of this source", p.Datatype)
		}
	case r.paging.Start != nil:
		r.mark.Page = *r.paging.Start
	case r.paging.Style == "page":
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
	answer, err := r.Call(ctx, http.MethodGet, target.String(), nil, nil)
	if err != nil {
		return source.Page{}, r.refused(err)
	}
	items, err := r.items(answer)
	if err != nil {
		return source.Page{}, err
	}
	if r.mark.Clock.IsZero() {
		r.mark.Clock = answer.Clock
	}
	if err := r.advance(answer, target, items); err != nil {
		return source.Page{}, err
	}
	r.total = cmp.Or(r.totalIn(answer), r.total)
	if len(items) == 0 && r.mark.Ended {
		return source.Page{}, io.EOF
	}
	return r.page(answer, items)
}

func (r *reader) page(answer *rest.Answer, items []any) (p source.Page, err error) {
	p.Rows, p.Rejects = r.rows.Split(items)
	r.mark.Done += int64(len(items))
	r.mark.Last = rest.Later(r.mark.Last, p.Rows, r.pull.Spec, r.mark.Clock.Add(-r.pull.Margin))
	p.Cursor, p.Done = r.mark.Last, r.mark.Done
	if total := r.totalIn(answer); total > 0 {
		p.Total = max(total, p.Done)
	}
	p.Resume, err = json.Marshal(r.mark)
	return p, err
}

// totalIn returns how many items there are, or 0 if the answer does not say so.
func (r *reader) totalIn(a *rest.Answer) int64 {
	if r.paging.Total == "" {
		return 0
	}
	v, _ := rest.Path(a.Body, r.paging.Total)
	n, _ := v.(json.Number)
	total, err := n.Int64()
	if err != nil {
		return 0
	}
	return max(0, total)
}

// Doubt implements [source.Doubting].
func (r *reader) Doubt(context.Context) (string, error) {
	if r.mark.Done >= r.total {
		return "", nil
	}
	return fmt.Sprintf("%s says that there are %d items (options.paging.total), and %d came", r.base.Host, r.total, r.mark.Done), nil
}

// fault returns an error of the pull with a message for people.
func (r *reader) fault(code fault.Code, format string, args ...any) error {
	return fault.New(code, "pull of %s: %s", r.pull.Datatype, fmt.Sprintf(format, args...))
}

// refused adds to an error which pull it belongs to, and a hint where one may help.
func (r *reader) refused(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	hint := ""
	if refusal, ok := errors.AsType[*rest.Refusal](err); ok && refusal.Status == http.StatusNotFound && r.mark.Done > 0 && r.paging.counts() {
		hint = " (if this answer marks the end of the list, set options.paging.more to the path of a value that marks the last page)"
	}
	return fault.Wrap(f.Code, err, "pull of %s: %s%s", r.pull.Datatype, f.Message, hint)
}

// target returns the URL of the next page.
func (r *reader) target() (*url.URL, error) {
	style := r.paging.Style
	if r.mark.Token != "" && (style == "link" || style == "url") {
		return r.follow(r.base, r.mark.Token)
	}
	u, err := r.address(cmp.Or(r.res.List, r.base.String()), map[string]string{"type": r.pull.Datatype})
	if err != nil {
		return nil, err
	}
	q := u.Query()
	switch {
	case r.paging.counts():
		q.Set(cmp.Or(r.paging.Param, style), strconv.Itoa(r.mark.Page))
	case style == "cursor" && r.mark.Token != "":
		q.Set(cmp.Or(r.paging.Param, style), r.mark.Token)
	}
	if r.paging.SizeParam != "" {
		q.Set(r.paging.SizeParam, strconv.Itoa(cmp.Or(r.paging.Size, min(r.pull.PageSize, 100))))
	}
	if s := r.res.Since; s != nil && r.pull.CursorTime != "" && !r.pull.Cursor.Time.IsZero() {
		q.Set(s.Param, s.text(beginOf(r.pull)))
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// beginOf returns the time since which the pull asks for changes, in the zone of the
// cursor's times. In the hours before the zone's clocks go back it is earlier by as much:
// rows that change afterwards have times from before.
func beginOf(p source.Pull) time.Time {
	at := p.Cursor.Time.Add(-p.Overlap).UTC()
	if p.CursorZone == nil {
		return at
	}
	clock := at.Add(source.Offset(p.CursorZone, at))
	return at.Add(source.EarliestClock(at, p.CursorZone).Sub(clock)).In(p.CursorZone)
}

// text returns a time that lies one unit of the format before t. Some servers leave out
// the rows that changed exactly at the given time, and those rows would be lost.
func (s *since) text(t time.Time) string {
	switch s.Format {
	case "date":
		return t.AddDate(0, 0, -1).Format(time.DateOnly)
	case "unix":
		return strconv.FormatInt(t.Unix()-1, 10)
	case "unixms":
		return strconv.FormatInt(t.UnixMilli()-1, 10)
	default:
		return t.Add(-time.Second).Format(time.RFC3339)
	}
}

// mayReport reports whether a list counts although its answer seems to report an error: the
// definition says so, or the list itself is named like one.
func (r *reader) mayReport() bool {
	top, _, _ := strings.Cut(r.res.Items, ".")
	return top == "errors" || top == "error" || r.res.IgnoreErrors != nil && *r.res.IgnoreErrors
}

// items returns the items of an answer. An answer without a list is an error: the pull
// must not end as if the list were empty, which could delete records.
func (r *reader) items(a *rest.Answer) ([]any, error) {
	if a.Status == http.StatusNoContent {
		return nil, nil
	}
	v, ok := rest.Path(a.Body, r.res.Items)
	words := r.Words(a)
	if list, isList := v.([]any); ok && isList {
		if words != "" && !r.mayReport() {
			return nil, r.fault(fault.Invalid, "the answer of %s reports an error beside the items, so some may be missing: %s (if it means nothing, set options.ignoreErrors)", r.base.Host, words)
		}
		return list, nil
	}
	null := ok && v == nil && r.res.Items != ""
	if null && words == "" && r.res.NullIsEmpty != nil && *r.res.NullIsEmpty {
		return nil, nil
	}
	where := ", which should be the list of items"
	switch {
	case words != "":
		where = fmt.Sprintf(" at %s (options.items), and says: %s", cmp.Or(r.res.Items, "its top"), words)
	case null:
		where = fmt.Sprintf(" at %s (options.items), but null: if that is how it writes an empty list, set options.nullIsEmpty", r.res.Items)
	case r.res.Items != "":
		where = " at " + r.res.Items
	}
	return nil, r.fault(fault.Invalid, "the answer of %s has no array%s", r.base.Host, where)
}
