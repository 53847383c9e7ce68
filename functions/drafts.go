package functions

import (
	"errors"
	"net/http"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// getDraft shows a draft.
func getDraft(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := a.Drafts().Get(r.Context(), r.PathValue("name"))
		if err != nil {
			return err
		}
		return showDraft(w, http.StatusOK, v)
	}
}

// editDraft sets fields of a draft. The last writer of a field wins.
func editDraft(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in draftEdit
		if err := readJSON(w, r, &in); err != nil {
			return err
		}
		if len(in.Rows) == 0 {
			return fault.New(fault.Invalid, "rows is required: the fields to set, by row")
		}
		if err := web.Answering(r.Context(), w, maxDocument); err != nil {
			return err
		}
		v, err := a.Drafts().Edit(r.Context(), r.PathValue("name"), who(r, in.By), in.Rows)
		if err != nil {
			return err
		}
		return showDraft(w, http.StatusOK, v)
	}
}

// draftEdit is the body of an edit. A null removes a field, or a row.
type draftEdit struct {
	By   string               `json:"by,omitempty" description:"The name of the person, to show to the others. It is no proof."`
	Rows map[string]draft.Row `json:"rows" description:"The fields to set, by row."`
}

// draftDecision is the body of an action on a draft. Accept and keep act on everything
// if row and field are left out. They act on nothing if the source has another version
// by now than the one named.
type draftDecision struct {
	By    string `json:"by,omitempty" description:"The name of the person, to show to the others. It is no proof."`
	Row   string `json:"row,omitempty" description:"Of accept and keep: only this row."`
	Field string `json:"field,omitempty" description:"Of accept and keep: only this field of the row."`
	Seen  string `json:"sourceVersion,omitempty" description:"Of accept and keep: the version of the source that the person looked at. The answer is 409 if the source has another by now."`
}

// decideDraft accepts the source's values, keeps ours, saves, discards or fetches.
func decideDraft(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in draftDecision
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
		audit.Note(ctx, "decision", r.PathValue("action"))
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
			v, err = a.Drafts().Fetch(ctx, name)
		case "save":
			v, err = a.Drafts().Save(ctx, name, by)
		default:
			return fault.New(fault.NotFound, "a draft has accept, keep, save, discard and fetch")
		}
		if fault.CodeOf(err) == fault.Conflict && v != nil {
			w.Header().Set("Location", strings.TrimSuffix(r.URL.Path, "/"+r.PathValue("action")))
			return withDraft(err, v)
		}
		if err != nil {
			return err
		}
		return showDraft(w, http.StatusOK, v)
	}
}

// withDraft returns err, a conflict, whose answer shows the draft and its differences too.
func withDraft(err error, v *draft.View) error {
	f, _ := errors.AsType[*fault.Error](err)
	out := *f
	out.Member = &fault.Member{Name: "draft", Value: v}
	return &out
}

func showDraft(w http.ResponseWriter, status int, v *draft.View) error {
	w.Header().Set("ETag", v.ETag())
	return web.JSON(w, status, v)
}
