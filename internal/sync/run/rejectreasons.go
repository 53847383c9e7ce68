package run

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// RejectSummary counts the rejects of a sync.
type RejectSummary struct {
	Total   int            `json:"total"`
	Reasons []RejectReason `json:"reasons"` // the most frequent first
	// Partial says that not all of them were read: Total counts them, and Reasons do not.
	Partial bool `json:"partial,omitempty"`
	// More says that there are more reasons: Reasons has the most frequent ones.
	More bool `json:"more,omitempty"`
}

// RejectReason counts the rejects that are alike.
type RejectReason struct {
	Field  string    `json:"field,omitempty"`
	Reason string    `json:"reason"` // with … in place of the values of each row
	Count  int       `json:"count"`
	Last   time.Time `json:"lastRejectedAt"`
}

const (
	maxRejectsRead = 20_000 // for one summary, or one page of a reason
	maxReasons     = 100
	rejectPage     = 500
)

// ownValue matches what a reason says about one row only: a quoted value, or a number.
var ownValue = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\b\d+\b`)

// reasonOf returns the reason without the values of the row, so that equal faults of many
// rows have equal reasons.
func reasonOf(reason string) string { return ownValue.ReplaceAllString(reason, "…") }

// RejectSummary counts the rejects of a sync, also by reason.
func (s *Service) RejectSummary(ctx context.Context, id string) (*RejectSummary, error) {
	if _, err := s.defs.Get(ctx, id); err != nil {
		return nil, err
	}
	l := newRejectList(s.docs, id)
	out, read := &RejectSummary{Reasons: []RejectReason{}}, 0
	type kind struct{ field, reason string }
	kinds := make(map[kind]*RejectReason)
	for after := ""; read < maxRejectsRead; {
		docs, err := l.page(ctx, after, rejectPage)
		if err != nil {
			return nil, err
		}
		if len(docs) == 0 {
			break
		}
		for _, d := range docs {
			x, err := parseRejected(d)
			if err != nil {
				return nil, err
			}
			k := kind{x.Field, reasonOf(x.Reason)}
			if kinds[k] == nil {
				kinds[k] = &RejectReason{Field: k.field, Reason: k.reason}
			}
			kinds[k].Count++
			if x.Last.After(kinds[k].Last) {
				kinds[k].Last = x.Last
			}
		}
		read += len(docs)
		after = docs[len(docs)-1].ID
	}
	for _, r := range kinds {
		out.Reasons = append(out.Reasons, *r)
	}
	slices.SortFunc(out.Reasons, func(a, b RejectReason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reason, b.Reason))
	})
	if out.More = len(out.Reasons) > maxReasons; out.More {
		out.Reasons = out.Reasons[:maxReasons]
	}
	out.Total = read
	if read < maxRejectsRead {
		return out, nil
	}
	out.Partial = true
	total, err := s.docs.CountDocs(ctx, l.collection, 10_000_000)
	out.Total = total
	return out, err
}

// RejectsOf returns a page of the rejects that have a reason of the summary, by id. A page can
// be shorter than its limit, or empty, although others follow.
func (s *Service) RejectsOf(ctx context.Context, id, reason, after string, limit int) (list []*Rejected, next string, err error) {
	if _, err := s.defs.Get(ctx, id); err != nil {
		return nil, "", err
	}
	l := newRejectList(s.docs, id)
	page := store.Paged[*Rejected]{Limit: limit}
	for read := 0; read < maxRejectsRead; {
		listing := store.Listing{Collection: l.collection, After: store.Position{ID: after}, Limit: rejectPage, Bytes: store.PageBytes}
		docs, err := s.docs.List(ctx, listing)
		if err != nil {
			return nil, "", err
		}
		for _, d := range docs {
			x, err := parseRejected(d)
			if err != nil {
				return nil, "", err
			}
			if reasonOf(x.Reason) == reason && !page.Add(x, len(d.Body)) {
				return page.Items, after, nil
			}
			after = d.ID
		}
		if listing.Over(docs) {
			return page.Items, "", nil
		}
		read += len(docs)
	}
	return page.Items, after, nil
}
