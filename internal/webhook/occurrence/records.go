package occurrence

import (
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/webhook/list"
)

// Changed is a record that changed. Receivers read it, as live clients do: by then it may
// have a newer version.
type Changed struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Deleted bool   `json:"deleted,omitempty"`
}

// MostRecords and mostRecordBytes bound the records of one occurrence. A commit changes
// thousands, and one webhook for each of them would be too many.
const (
	MostRecords     = 500
	mostRecordBytes = 128 << 10
)

// defaultOrg is the organisation that the names of entities leave out.
const defaultOrg = "default"

// OfRecords returns the occurrences of a commit that changes records.
func OfRecords(org, recordType string, changed []Changed, at time.Time) (all []Occurrence) {
	for len(changed) > 0 {
		n, size := 0, 0
		for n < len(changed) && n < MostRecords && (n == 0 || size+len(changed[n].ID) <= mostRecordBytes) {
			size += len(changed[n].ID) + 64
			n++
		}
		all = append(all, Occurrence{
			ID: event.RandomID(), Type: Records, Source: "/orgs/" + url.PathEscape(org) + "/" + url.PathEscape(recordType), Subject: EntityOf(org, recordType), Time: at,
			Data: list.Encode(struct {
				Org     string    `json:"orgId"`
				Type    string    `json:"type"`
				Records []Changed `json:"records"`
			}{org, recordType, changed[:n]}),
		})
		changed = changed[n:]
	}
	return all
}

// EntityOf returns the name of an entity type, as live clients use it.
func EntityOf(org, recordType string) string {
	if org == defaultOrg && !strings.Contains(recordType, "/") {
		return recordType
	}
	return org + "/" + recordType
}
