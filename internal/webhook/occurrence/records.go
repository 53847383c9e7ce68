package occurrence

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
)

// Changed is a record that changed. Receivers read it, as live clients do: by then it may
// have a newer version.
type Changed struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Deleted bool   `json:"deleted,omitempty"`
}

// mostRecords and mostRecordBytes bound the records of one occurrence. A commit changes up to
// thousands of records, and a webhook for each of them would be too many.
const (
	mostRecords     = 500
	mostRecordBytes = 512 << 10
)

// MostRecordWrites bounds the writes about the records of one commit, which changes at most
// 5,000 of them.
const MostRecordWrites = 20

// RecordBytes returns the most bytes that the change of one record adds to the commit.
func RecordBytes(id string) int { return 6*len(id) + 64 } // a byte may be escaped as \u0000

// defaultOrg is the organisation that the names of entities leave out.
const defaultOrg = "default"

// RecordWrites returns the writes that tell of changed records, for the commit that changes
// them. It returns none if nobody subscribes to the type.
func (o *Outbox) RecordWrites(ctx context.Context, org, recordType string, changed []Changed, at time.Time) []store.Write {
	if !o.Wants(ctx, Records, EntityOf(org, recordType)) {
		return nil
	}
	return o.Writes(ctx, ofRecords(org, recordType, changed, at)...)
}

// ofRecords divides the changed records among as few occurrences as the bounds allow.
func ofRecords(org, recordType string, changed []Changed, at time.Time) (all []Occurrence) {
	for len(changed) > 0 {
		n, size := 0, 0
		for n < len(changed) && n < mostRecords {
			if size += len(list.Encode(changed[n])) + 1; n > 0 && size > mostRecordBytes {
				break
			}
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
