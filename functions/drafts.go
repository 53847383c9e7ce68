package functions

import (
	"net/http"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// drafts shows a draft, or edits it: PATCH {"by"?, "rows": {id: {field: value}}}. A
// null removes a field, or a row. The last writer of a field wins.
func drafts(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("name")
		if r.Method != http.MethodPatch {
			v, err := a.Drafts().Get(r.Context(), name)
			if err != nil {
				return err
			}
			return showDraft(w, http.StatusOK, v)
		}
		var in struct {
			By   string               `json:"by"`
			Rows map[string]draft.Row `json:"rows"`
		}
		if err := readJSON(w, r, &in); err != nil {
			return err
		}
		if len(in.Rows) == 0 {
			return fault.New(fault.Invalid, "rows is required: the fields to set, by row")
		}
		if err := web.Answering(r.Context(), w, maxDocument); err != nil {
			return err
		}
		v, err := a.Drafts().Edit(r.Context(), name, who(r, in.By), in.Rows)
		if err != nil {
			return err
		}
		return showDraft(w, http.StatusOK, v)
	}
}

// decideDraft accepts theirs, keeps ours, saves, discards or fetches. Accept and keep
// take {"row"?, "field"?, "sourceVersion"?}: all of it where row and field are left
// out, and nothing where the source has another version by now.
func decideDraft(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in := struct {
			By    string `json:"by"`
			Row   string `json:"row"`
			Field string `json:"field"`
			Seen  string `json:"sourceVersion"`
		}{}
		if r.ContentLength != 0 {
			if err := readJSON(w, r, &in); err != nil {
				return err
			}
		}
		if in.Field != "" && in.Row == "" {
			return fault.New(fault.Invalid, "row is required with field")
		}
		if err := web.Answering(r.Context(), w, maxDocument); err != nil {
			return err
		}
		name, ctx, by := r.PathValue("name"), r.Context(), who(r, in.By)
		decision := draft.Decision{By: by, Row: in.Row, Field: in.Field, Seen: in.Seen}
		var v *draft.View
		var err error
		switch r.PathValue("action") {
		case "accept":
			v, err = a.Drafts().Accept(ctx, name, decision)
		case "keep":
			v, err = a.Drafts().Keep(ctx, name, decision)
		case "discard":
			v, err = a.Drafts().Discard(ctx, name, by)
		case "fetch":
			if v, err = a.Drafts().Refresh(ctx, name); err == nil && v == nil {
				v, err = a.Drafts().Get(ctx, name)
			}
		case "save":
			v, err = a.Drafts().Save(ctx, name, by)
		default:
			return fault.New(fault.NotFound, "a draft has accept, keep, save, discard and fetch")
		}
		if fault.CodeOf(err) == fault.Conflict && v != nil {
			w.Header().Set("Location", strings.TrimSuffix(r.URL.Path, "/"+r.PathValue("action")))
			return web.JSON(w, http.StatusConflict, struct {
				Detail string      `json:"detail"`
				Draft  *draft.View `json:"draft"` // with the differences
			}{err.Error(), v})
		}
		if err != nil {
			return err
		}
		return showDraft(w, http.StatusOK, v)
	}
}

// who is as the client says, and as its token does where one is asked for: the first
// is a name to show and no proof.
func who(r *http.Request, by string) string {
	by = strings.ToValidUTF8(by[:min(len(by), 100)], "")
	name := auth.Caller(r.Context())
	switch {
	case name == "" || by == name:
		return by
	case by == "":
		return name
	}
	return by + " (" + name + ")"
}

func showDraft(w http.ResponseWriter, status int, v *draft.View) error {
	w.Header().Set("ETag", v.ETag())
	return web.JSON(w, status, v)
}
