package mywell

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// failed adds to an error which operation it belongs to.
func failed(operation string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.Wrap(f.Code, err, "%s: %s", operation, f.Message)
	}
	return err
}

// pusher is one call of Push.
type pusher struct {
	*server
	*model
	spec source.Spec
}

// Push implements source.Source.
func (s *server) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	m, err := of(spec.Datatype)
	if err != nil {
		return nil, err
	}
	p := &pusher{s, m, spec}
	results := source.Unanswered(len(changes))
	var readings []int // the new readings, which one call sends
	for i, c := range changes {
		if c.Op == source.Create && !m.keyed {
			readings = append(readings, i)
			continue
		}
		r, err := p.one(ctx, c)
		if err == nil || r.Err != nil {
			results[i] = r
		}
		if err != nil {
			return results, failed("push of "+spec.Datatype, err)
		}
	}
	if len(readings) > 0 {
		if err := p.createReadings(ctx, changes, readings, results); err != nil {
			return results, failed("push of "+spec.Datatype, err)
		}
	}
	return results, nil
}

// ours returns the whole row of a change with its key, in OurWater's form.
func (p *pusher) ours(c source.Change) map[string]any {
	row := maps.Clone(c.Fields)
	if row == nil {
		row = map[string]any{}
	}
	for i, k := range c.Key {
		if _, there := row[p.spec.Key[i]]; !there {
			row[p.spec.Key[i]] = k
		}
	}
	return row
}

func (p *pusher) one(ctx context.Context, c source.Change) (source.Result, error) {
	if c.Op == source.Create {
		return p.create(ctx, c)
	}
	id, theirs, err := p.there(ctx, c)
	switch {
	case err != nil:
		return p.refused(err)
	case id == "" && c.Op == source.Delete:
		return source.Result{}, nil
	case id == "":
		return source.Result{Err: source.ErrMoved}, nil
	case p.moved(c, theirs):
		return source.Result{Err: source.ErrMoved}, nil
	case c.Op == source.Delete:
		return p.remove(ctx, id)
	}
	only, err := p.changed(c)
	if err != nil {
		return source.Result{Err: fault.New(fault.Invalid, "%s", err)}, nil
	}
	if len(only) == 0 {
		return source.Result{}, nil
	}
	return p.update(ctx, id, only)
}

// changed returns the body of an update: the changed fields in LegacyMyWell's form. One
// field of OurWater may be several members there, so it translates the row with and
// without the changes and returns the difference.
func (p *pusher) changed(c source.Change) (map[string]any, error) {
	row := p.key(c)
	key, err := p.push(row, externalIDsOf(row, c.ExternalIDs))
	if err != nil {
		return nil, err
	}
	for _, name := range c.Changed {
		row[name] = c.Fields[name]
	}
	out, err := p.push(row, externalIDsOf(row, c.ExternalIDs))
	maps.DeleteFunc(out, func(name string, v any) bool { old, there := key[name]; return there && equal(old, v) })
	return out, err
}

func (p *pusher) key(c source.Change) map[string]any {
	row := make(map[string]any, len(c.Key)+len(c.Changed))
	for i, k := range c.Key {
		row[p.spec.Key[i]] = k
	}
	return row
}

func status(err error) int {
	if r, ok := errors.AsType[*rest.Refusal](err); ok {
		return r.Status
	}
	return 0
}

func (p *pusher) find(ctx context.Context, where object, limit int) ([]map[string]any, error) {
	a, err := p.client.Call(ctx, http.MethodGet, p.url(p.model, "", object{"where": where, "limit": limit}), nil, nil)
	if err != nil {
		return nil, err
	}
	items, ok := a.Body.([]any)
	if !ok {
		return nil, fault.New(fault.Invalid, "the answer of %s is not an array", p.base.Host)
	}
	var out []map[string]any
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out, nil
}

// create makes a village or a resource, unless an earlier attempt already made it.
func (p *pusher) create(ctx context.Context, c source.Change) (source.Result, error) {
	row := p.ours(c)
	theirs, err := p.push(row, externalIDsOf(row, c.ExternalIDs))
	if err != nil {
		return source.Result{Err: fault.New(fault.Invalid, "%s", err)}, nil
	}
	if made, err := p.alike(ctx, theirs); made != nil || err != nil {
		return p.made(made, err)
	}
	if taken, err := p.taken(ctx, theirs); taken || err != nil {
		if err != nil {
			return p.refused(err)
		}
		return source.Result{Err: fault.New(fault.Conflict, "LegacyMyWell has a %s %s already, with other values: pull it, or give this one another id",
			p.datatype, composite(theirs["postcode"], theirs["id"]))}, nil
	}
	a, err := p.client.Call(ctx, http.MethodPost, p.url(p.model, "", nil), nil, theirs)
	if err != nil {
		return p.notMade(ctx, theirs, err)
	}
	answer, _ := a.Body.(map[string]any)
	if answer["postcode"] == nil && answer != nil {
		answer["postcode"] = theirs["postcode"]
	}
	return p.made(answer, nil)
}

// alike returns the row that has all the values that were sent, or nil if there is none.
func (p *pusher) alike(ctx context.Context, theirs map[string]any) (map[string]any, error) {
	same := object{}
	for _, name := range []string{"postcode", "id", "name", "owner", "type"} {
		if v, ok := theirs[name]; ok && v != nil {
			same[name] = v
		}
	}
	found, err := p.find(ctx, same, 50)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if p.has(f, theirs) {
			return f, nil
		}
	}
	return nil, nil
}

// taken reports whether the pincode has a row with the id that was sent.
func (p *pusher) taken(ctx context.Context, theirs map[string]any) (bool, error) {
	id := theirs["id"]
	if id == nil {
		return false, nil
	}
	found, err := p.find(ctx, object{"and": []object{{"postcode": theirs["postcode"]}, {"id": id}}}, 1)
	return len(found) > 0, err
}

// made returns the result for a row that exists at LegacyMyWell, unless err tells otherwise.
func (p *pusher) made(theirs map[string]any, err error) (source.Result, error) {
	if err != nil {
		return source.Result{Err: source.ErrUnanswered}, err
	}
	id := composite(theirs["postcode"], theirs["id"])
	if id == "" {
		return source.Result{Err: source.ErrUnanswered}, fault.New(fault.Invalid, "the answer of %s has no id of the new row", p.base.Host)
	}
	external := map[string]string{legacyID: id, legacyVillage: text(theirs["id"]), legacyPincode: text(theirs["postcode"])}
	if p.datatype == "resource" {
		external = map[string]string{legacyID: id, legacyResource: text(theirs["id"]), legacyPincode: text(theirs["postcode"])}
	}
	return source.Result{Key: []any{id}, ExternalIDs: external}, nil
}

// has reports whether a row has all the values that were sent, except those that the server
// drops because its model has no such member.
func (p *pusher) has(row, sent map[string]any) bool {
	for name, v := range sent {
		if _, there := row[name]; !there && !slices.Contains(p.theirs, name) {
			continue
		}
		if !equal(v, row[name]) {
			return false
		}
	}
	return true
}

// createReadings posts the readings that do not exist yet, in one call. One that exists with
// other values is somebody else's.
func (p *pusher) createReadings(ctx context.Context, changes []source.Change, at []int, results []source.Result) error {
	var fresh []int
	var rows []any
	for _, i := range at {
		row := p.ours(changes[i])
		theirs, err := p.push(row, externalIDsOf(row, changes[i].ExternalIDs))
		if err == nil && !isNumber(theirs["value"]) {
			err = errors.New("value is not a number")
		}
		if err != nil {
			results[i].Err = fault.New(fault.Invalid, "%s", err)
			continue
		}
		fresh, rows = append(fresh, i), append(rows, theirs)
	}
	there, err := p.existing(ctx, rows)
	if err != nil {
		return err
	}
	var post []int
	var body []any
	for n, i := range fresh {
		theirs, _ := rows[n].(map[string]any)
		if row, ok := there[identityOf(theirs)]; ok {
			if results[i] = (source.Result{ExternalIDs: map[string]string{legacyID: text(row["id"])}}); !p.has(row, theirs) {
				results[i].Err = source.ErrExists
			}
			continue
		}
		post, body = append(post, i), append(body, theirs)
	}
	if len(post) == 0 {
		return nil
	}
	refused, err := p.post(ctx, post, body, results)
	switch {
	case !refused:
		return err
	case len(post) == 1:
		results[post[0]], err = p.refused(err)
		return err
	}
	for _, i := range post { // one bad reading must not stop the others; some may be there after a failure
		if err := p.createReadings(ctx, changes, []int{i}, results); err != nil {
			return err
		}
	}
	return nil
}

// post sends the readings in one call. It reports whether the server refused the call for
// what may be a single reading of it.
func (p *pusher) post(ctx context.Context, at []int, body []any, results []source.Result) (refused bool, err error) {
	a, err := p.client.Call(ctx, http.MethodPost, p.url(p.model, "", nil), nil, body)
	if err != nil {
		r, ok := errors.AsType[*rest.Refusal](err)
		return ok && (r.ForGood() || r.MayBeRow()), err
	}
	made, _ := a.Body.([]any)
	there := map[string]object{}
	for _, item := range made {
		if m, ok := item.(map[string]any); ok && text(m["id"]) != "" {
			there[identityOf(m)] = m
		}
	}
	for n := range at {
		if theirs, _ := body[n].(map[string]any); there[identityOf(theirs)] == nil { // the answer does not say which id is whose
			if there, err = p.existing(ctx, body); err != nil {
				return false, err
			}
			break
		}
	}
	for n, i := range at {
		theirs, _ := body[n].(map[string]any)
		id := text(there[identityOf(theirs)]["id"])
		if id == "" {
			return false, fault.New(fault.Invalid, "%s accepted %d readings, and the one of %s is not there", p.base.Host, len(at), identityOf(theirs))
		}
		results[i] = source.Result{ExternalIDs: map[string]string{legacyID: id}}
	}
	return false, nil
}

func isNumber(v any) bool {
	switch v.(type) {
	case json.Number, float64, int64, int:
		return true
	}
	return false
}
