package run

import (
	"context"
	"time"
)

// Places says how far a sync has come.
type Places struct {
	LastSync  time.Time              // when a run last succeeded; zero: none did
	Datatypes map[string]PlaceOfType // those that were pulled or pushed
}

// PlaceOfType holds the cursors of a datatype.
type PlaceOfType struct {
	PulledUpTo time.Time `json:"pulledUpTo,omitzero"` // rows that changed at the source up to this time were pulled
	PushedUpTo time.Time `json:"pushedUpTo,omitzero"` // records that changed up to this time were pushed
}

// Places returns how far the syncs have come, in the order of the ids.
func (s *Service) Places(ctx context.Context, ids []string) ([]Places, error) {
	out := make([]Places, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	docs, err := s.docs.Get(ctx, states, ids)
	if err != nil {
		return nil, err
	}
	for i, d := range docs {
		if d == nil {
			continue
		}
		st, err := parseState(*d)
		if err != nil {
			return nil, err
		}
		out[i].LastSync = st.FinishedAt
		for name, t := range st.Types {
			p := PlaceOfType{PulledUpTo: t.Cursor.Time}
			if t.Pushed > 0 {
				p.PushedUpTo = time.UnixMicro(t.Pushed).UTC()
			}
			if p == (PlaceOfType{}) {
				continue
			}
			if out[i].Datatypes == nil {
				out[i].Datatypes = make(map[string]PlaceOfType)
			}
			out[i].Datatypes[name] = p
		}
	}
	return out, nil
}
