package mywell

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// LegacyMyWell's ids of villages and resources are unique within a pincode only, but its
// URLs take the id alone. PATCH and DELETE at such a URL reach the first row with that id,
// which may be another pincode's. So a change names both in a call of its own, and a row is
// deleted only if no other pincode has its id.

// update gives the row of that id the changed members.
func (p *pusher) update(ctx context.Context, id string, changed map[string]any) (source.Result, error) {
	method, target, body := http.MethodPatch, p.url(p.model, id, nil), changed
	if p.keyed {
		method, target, body = http.MethodPost, p.updateURL(id), maps.Clone(changed)
		body["postcode"], body["id"] = split(id)
	}
	a, err := p.client.Call(ctx, method, target, nil, body)
	if status(err) == http.StatusNotFound {
		return source.Result{Err: source.ErrMoved}, nil
	}
	if err == nil {
		if m, _ := a.Body.(map[string]any); text(m["count"]) == "0" { // no row matched
			return source.Result{Err: source.ErrMoved}, nil
		}
	}
	return p.refused(err)
}

// updateURL returns where a village or a resource is changed. Resources have a method for
// it; villages have only LoopBack's own for all rows that match.
func (p *pusher) updateURL(id string) string {
	if p.datatype == "resource" {
		return p.url(p.model, "updateResourceByIdAndPostcode", nil)
	}
	u, _ := url.Parse(p.url(p.model, "update", nil))
	where, _ := json.Marshal(whereOf(id))
	u.RawQuery = url.Values{"where": {string(where)}}.Encode()
	return u.String()
}

func whereOf(id string) object {
	postcode, short := split(id)
	return object{"and": []object{{"postcode": postcode}, {"id": short}}}
}

// remove deletes the row of that id.
func (p *pusher) remove(ctx context.Context, id string) (source.Result, error) {
	if p.keyed {
		postcode, short := split(id)
		same, err := p.find(ctx, object{"id": short}, 2)
		if err != nil {
			return p.refused(err)
		}
		found := false
		for _, row := range same {
			if text(row["postcode"]) != text(postcode) {
				return source.Result{Err: fault.New(fault.Conflict,
					"LegacyMyWell deletes by the id alone, and pincode %s has a %s with the id %s as well: delete it there", text(row["postcode"]), p.datatype, text(short))}, nil
			}
			found = true
		}
		if !found {
			return source.Result{}, nil
		}
		id = text(short)
	}
	_, err := p.client.Call(ctx, http.MethodDelete, p.url(p.model, id, nil), nil, nil)
	if status(err) == http.StatusNotFound {
		err = nil
	}
	return p.refused(err)
}
