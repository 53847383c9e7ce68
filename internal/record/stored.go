package record

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Record is a record of an organisation as the store keeps it.
type Record struct {
	ID          string
	Version     int64     // starts at 1 and grows by 1 with each change of Data or Deleted
	UpdatedAt   time.Time // the time of Version
	Deleted     bool      // the record is a tombstone; Data is its last content
	Data        []byte    // canonical JSON object
	ExternalIDs map[string]string
	Links       map[string]Link // by sync id
}

// Link is the state of a record for one sync: which row it is at the source, and what
// both sides last agreed on (docs/decisions/007-links-and-attempts.md).
type Link struct {
	Key string `json:"k,omitempty"` // key of the row; "" means the record's id
	// Base is the source's data when both sides were last compared: the base of the
	// next merge. It is absent while the record's Data is still the same. The first
	// change of Data stores the old Data here, in every link (see Edit); records that
	// do not change after a pull so need no second copy.
	Base json.RawMessage `json:"b,omitempty"`
	Gone bool            `json:"g,omitempty"` // the row is deleted at the source
	// Held has the fields in conflict that a person must decide about.
	Held []string `json:"h,omitempty"`
	// Attempt identifies a creation at the source whose outcome is unknown. Until it is
	// known, the record counts as not created; Base is the data that was sent.
	Attempt string `json:"a,omitempty"`
	// Unseen says that the row was created for a record that had been deleted meanwhile, and
	// that no pull has shown yet what the source made of it.
	Unseen bool `json:"u,omitempty"`
}

// Edit replaces the record's data by data, which must be canonical JSON, and keeps the
// old data as the base of links that need it.
func (r *Record) Edit(data []byte, at time.Time) {
	r.keepBases()
	r.Data, r.Deleted = data, false
	r.touch(at)
}

// Delete turns the record into a tombstone.
func (r *Record) Delete(at time.Time) {
	r.keepBases()
	r.Deleted = true
	r.touch(at)
}

func (r *Record) touch(at time.Time) {
	r.Version++
	r.UpdatedAt = at
}

// keepBases copies Data to each link that relies on it as its base, before Data changes.
func (r *Record) keepBases() {
	for id, l := range r.Links {
		if l.Base == nil && !l.Gone {
			l.Base = slices.Clone(r.Data)
			r.Links[id] = l
		}
	}
}

// Link returns the sync's link, with Key filled in. It returns false if the sync has no
// link, or only a creation of unknown outcome.
func (r *Record) Link(sync string) (Link, bool) {
	l, ok := r.Links[sync]
	if !ok || l.Attempt != "" {
		return Link{}, false
	}
	if l.Key == "" {
		l.Key = r.ID
	}
	return l, true
}

// SetLink stores the sync's link.
func (r *Record) SetLink(sync string, l Link) {
	if l.Key == r.ID {
		l.Key = ""
	}
	if r.Links == nil {
		r.Links = make(map[string]Link, 1)
	}
	r.Links[sync] = l
}

// Clone returns a copy that can be changed independently.
func (r *Record) Clone() *Record {
	c := *r
	c.Links = make(map[string]Link, len(r.Links))
	for k, v := range r.Links {
		c.Links[k] = v
	}
	c.ExternalIDs = make(map[string]string, len(r.ExternalIDs))
	for k, v := range r.ExternalIDs {
		c.ExternalIDs[k] = v
	}
	return &c
}

// stored is the JSON form of a Record.
type stored struct {
	Version     int64             `json:"v"`
	UpdatedAt   int64             `json:"u"` // microseconds since 1970
	Deleted     bool              `json:"del,omitempty"`
	ExternalIDs map[string]string `json:"x,omitempty"`
	Links       map[string]Link   `json:"l,omitempty"`
	Data        json.RawMessage   `json:"d"`
}

// AppendJSON appends the stored form, without the id. Records are written by the million,
// so it writes the usual members without reflection.
func (r *Record) AppendJSON(b []byte) []byte {
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, r.Version, 10)
	b = append(b, `,"u":`...)
	b = strconv.AppendInt(b, r.UpdatedAt.UnixMicro(), 10)
	if r.Deleted {
		b = append(b, `,"del":true`...)
	}
	if len(r.ExternalIDs) > 0 {
		b = append(b, `,"x":`...)
		b = append(b, mustJSON(r.ExternalIDs)...)
	}
	if len(r.Links) > 0 {
		b = append(b, `,"l":`...)
		b = appendLinks(b, r.Links)
	}
	b = append(b, `,"d":`...)
	b = append(b, r.Data...)
	return append(b, '}')
}

func appendLinks(b []byte, links map[string]Link) []byte {
	if len(links) == 1 {
		for id, l := range links {
			if l.Key == "" && l.Base == nil && !l.Gone && len(l.Held) == 0 && l.Attempt == "" && !l.Unseen {
				b = append(b, '{')
				b = strconv.AppendQuote(b, id) // ids of syncs are plain ASCII
				return append(b, `:{}}`...)
			}
		}
	}
	return append(b, mustJSON(links)...)
}

// mustJSON encodes a value that cannot fail to encode.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("record: encode %T: %v", v, err))
	}
	return b
}

// Parse decodes the stored form of the record with that id.
func Parse(id string, body []byte) (*Record, error) {
	var s stored
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("record %q: %w", id, err)
	}
	return &Record{
		ID: id, Version: s.Version, UpdatedAt: time.UnixMicro(s.UpdatedAt).UTC(), Deleted: s.Deleted,
		Data: s.Data, ExternalIDs: s.ExternalIDs, Links: s.Links,
	}, nil
}
