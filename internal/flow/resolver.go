package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/live"
)

// Types of live entities that are not records.
const (
	ListType    = "task-lists"         // id: the list's
	SessionType = "task-list-sessions" // id: incoming.Session.ID
	DraftType   = "drafts"             // id: the draft's name
)

// signalType is the type of a list's signal, as Fluid's clients know it.
const signalType = "ExternalDataChanged_V1.0.0"

// Resolver returns the resolver of an entity: the one that the configuration names for it,
// or that of the use case which keeps it. Records are the rest.
func (f *Flow) Resolver(k live.Key) live.Resolver {
	if k.Org == OwnOrg {
		return ownResolver{f}
	}
	if r := f.o.Resolver(k); r != nil {
		return r
	}
	if k.Org == live.DefaultOrg {
		switch k.Type {
		case ListType, SessionType:
			return listResolver{f.use.Incoming, f.use.Sessions}
		case DraftType:
			return draftResolver{f.use.Drafts}
		}
	}
	return recordResolver{f.use.Records}
}

// recordResolver resolves the records of organisations.
type recordResolver struct{ records *entity.Service }

func (recordResolver) PerSecret() bool { return false }

func (r recordResolver) Resolve(ctx context.Context, k live.Key, _ string) (live.State, error) {
	e, err := r.records.Get(ctx, k.Org, k.Type, k.ID)
	switch fault.CodeOf(err) {
	case "":
	case fault.NotFound, fault.Gone, fault.Invalid: // no record can have such an id
		return live.State{Gone: true}, nil
	default:
		return live.State{}, err
	}
	row, err := withID(e.Data, k.ID)
	return live.State{Version: fmt.Sprint(e.Version), Rows: [][]byte{row}}, err
}

// withID puts the record's id into its data, unless the data has one.
func withID(data []byte, id string) ([]byte, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	if _, has := m["id"]; has {
		return data, nil
	}
	text, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	rest := bytes.TrimPrefix(bytes.TrimSpace(data), []byte("{"))
	if len(m) > 0 {
		text = append(text, ',')
	}
	return append(append([]byte(`{"id":`), text...), rest...), nil
}

// listResolver resolves lists and sessions to signals, which carry no data.
type listResolver struct {
	lists    *incoming.Service
	sessions *incoming.Sessions
}

func (listResolver) PerSecret() bool { return false }

func (r listResolver) Resolve(ctx context.Context, k live.Key, _ string) (s live.State, err error) {
	open := []string{k.ID}
	if k.Type == SessionType {
		if open, err = r.sessions.ListsOf(ctx, k.ID); err != nil || len(open) == 0 {
			return live.State{Gone: true}, err
		}
	}
	for _, id := range open {
		l, err := r.lists.List(ctx, id)
		switch fault.CodeOf(err) {
		case "":
		case fault.NotFound:
			continue
		default:
			return s, err
		}
		row, err := json.Marshal(map[string]any{"type": signalType, "content": map[string]string{"externalTaskListId": id}})
		if err != nil {
			return s, err
		}
		s.Version = strings.TrimPrefix(fmt.Sprintf("%s,%s:%d", s.Version, id, l.Version), ",")
		s.Rows = append(s.Rows, row)
	}
	s.Gone = len(s.Rows) == 0
	return s, nil
}

// draftResolver resolves drafts to the whole draft.
type draftResolver struct{ drafts *draft.Service }

func (draftResolver) PerSecret() bool { return false }

func (r draftResolver) Resolve(ctx context.Context, k live.Key, _ string) (live.State, error) {
	v, err := r.drafts.Get(ctx, k.ID)
	switch fault.CodeOf(err) {
	case "":
	case fault.NotFound:
		return live.State{Gone: true}, nil
	default:
		return live.State{}, err
	}
	row, err := json.Marshal(v)
	return live.State{Version: fmt.Sprint(v.Version), Rows: [][]byte{row}}, err
}
