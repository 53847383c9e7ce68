package firestorestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

type claimDoc struct {
	EventID        string     `firestore:"eventID,omitempty"` // this and Date: only once the claim is whole
	TriggerType    string     `firestore:"triggerType"`
	Date           time.Time  `firestore:"date,omitempty"`
	Owner          string     `firestore:"owner"`
	NumberOfEvents int        `firestore:"numberOfEvents"`
	State          string     `firestore:"state"`
	Size           int64      `firestore:"size"`
	Attempts       int        `firestore:"attempts"`
	NextAttemptAt  *time.Time `firestore:"nextAttemptAt,omitempty"` // only while claimed or gathering: Due queries it
	PublishedAt    *time.Time `firestore:"publishedAt,omitempty"`
	LastError      string     `firestore:"lastError,omitempty"`
	ExpireAt       *time.Time `firestore:"expireAt,omitempty"`       // only when published, failed or dropped: a waiting claim never expires
	CorrelationKey *string    `firestore:"correlationKey,omitempty"` // only with a Window: Claims queries it
	Completion     string     `firestore:"completion,omitempty"`     // only with a Window: Claims queries it
	Window         []byte     `firestore:"window,omitempty"`         // JSON
	Targets        []byte     `firestore:"targets,omitempty"`        // JSON
	Parts          int        `firestore:"parts,omitempty"`
	Gather         []byte     `firestore:"gather,omitempty"` // the caller's
	Lists          []byte     `firestore:"lists"`
}

// infoFields are the fields of claimDoc that a list reads: all except Lists and Gather, which may be large.
var infoFields = []string{
	"eventID", "triggerType", "date", "owner", "numberOfEvents", "state", "size", "attempts",
	"nextAttemptAt", "publishedAt", "lastError", "window", "targets", "parts",
}

// listJSON is an event.List with packed members; see pack.
type listJSON struct {
	Key     string `json:"k"`
	Need    int    `json:"n"`
	Send    string `json:"s"`
	Count   int    `json:"c"`
	First   int64  `json:"f,omitempty"` // Unix microseconds, with Count
	Last    int64  `json:"l,omitempty"`
	Members []byte `json:"m,omitempty"`
}

func toClaimDoc(c store.Claim) (claimDoc, error) {
	lists := make([]listJSON, len(c.Lists))
	for i, l := range c.Lists {
		members, err := pack(l.Included)
		if err != nil {
			return claimDoc{}, err
		}
		lists[i] = listJSON{Key: l.Key, Need: l.Need, Send: l.Send, Count: l.Count, Members: members}
		if !l.First.IsZero() {
			lists[i].First, lists[i].Last = l.First.UnixMicro(), l.Last.UnixMicro()
		}
	}
	blob, err := json.Marshal(lists)
	if err != nil {
		return claimDoc{}, err
	}
	doc := claimDoc{
		EventID: c.EventID, TriggerType: c.TriggerType, Date: c.Date, Owner: c.Owner,
		NumberOfEvents: c.NumberOfEvents, State: string(c.State), Size: c.Size, Attempts: c.Attempts,
		NextAttemptAt: orNil(c.NextAttempt), PublishedAt: orNil(c.PublishedAt), LastError: c.LastError, ExpireAt: orNil(c.ExpireAt), Lists: blob,
		Parts: c.Parts, Gather: c.Gather,
	}
	return doc, doc.addDetails(c.ClaimInfo)
}

func toClaimInfo(service string, d *firestore.DocumentSnapshot) (store.ClaimInfo, claimDoc, error) {
	var doc claimDoc
	if err := d.DataTo(&doc); err != nil {
		return store.ClaimInfo{}, doc, failed("read a claim", err)
	}
	info := store.ClaimInfo{
		ID: d.Ref.ID, Service: service, EventID: doc.EventID, TriggerType: doc.TriggerType, Date: doc.Date.UTC(),
		Owner: doc.Owner, NumberOfEvents: doc.NumberOfEvents, State: store.State(doc.State), Size: doc.Size,
		Attempts: doc.Attempts, NextAttempt: orZero(doc.NextAttemptAt), PublishedAt: orZero(doc.PublishedAt), LastError: doc.LastError,
		Parts: doc.Parts, Gather: doc.Gather,
	}
	if err := doc.details(&info); err != nil {
		return info, doc, failed("read a claim's details", err)
	}
	return info, doc, nil
}

func toClaim(service string, d *firestore.DocumentSnapshot) (store.Claim, error) {
	info, doc, err := toClaimInfo(service, d)
	if err != nil {
		return store.Claim{}, err
	}
	c := store.Claim{ClaimInfo: info}
	var lists []listJSON
	if err := json.Unmarshal(doc.Lists, &lists); err != nil {
		return c, failed("read a claim's lists", err)
	}
	for _, l := range lists {
		members, err := unpack(l.Members)
		if err != nil {
			return c, failed("read a claim's members", err)
		}
		list := event.List{Key: l.Key, Need: l.Need, Send: l.Send, Count: l.Count, Included: members}
		if l.First != 0 {
			list.First, list.Last = time.UnixMicro(l.First).UTC(), time.UnixMicro(l.Last).UTC()
		}
		c.Lists = append(c.Lists, list)
	}
	return c, nil
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// Claim implements [store.Store] by one blind commit (docs/decisions/002). A failed
// precondition means that another instance was first.
func (s *Store) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	doc, err := toClaimDoc(c)
	if err != nil {
		return err
	}
	if err := s.checkCommit(c.Docs); err != nil {
		return err
	}
	for round := range rounds {
		var there bool
		there, err = s.tryClaim(ctx, c, doc, taken)
		if err == nil {
			return nil
		}
		if there {
			return store.ErrConflict
		}
		// With nothing taken, ErrConflict means that the claim exists. An aborted commit only
		// means contention, so the claim may be absent: try again.
		if len(taken) > 0 || status.Code(err) != codes.Aborted {
			break
		}
		select {
		case <-time.After(10 * time.Millisecond << round):
		case <-ctx.Done():
			return failed("claim", ctx.Err())
		}
	}
	switch {
	case errors.Is(err, store.ErrConflict):
		return err
	case len(taken) == 0 && status.Code(err) == codes.Aborted:
		return failed("claim", fmt.Errorf("%w: %w", errBusy, err))
	case refused(err):
		return store.ErrConflict
	}
	return failed("claim", err)
}

// addDocs adds the writes of a claim's commit to it.
func (s *Store) addDocs(b *firestore.WriteBatch, c store.Claim) error {
	for _, w := range c.Docs {
		col, err := s.docs(w.Collection)
		if err != nil {
			return err
		}
		d := w.Doc
		b.Set(col.Doc(encodeID(d.ID)), docDoc{Body: d.Body, Order: d.Order, Attempt: c.Owner, ExpireAt: d.ExpireAt})
	}
	return nil
}

// tryClaim commits the claim. If the commit fails, it reads the claim: a claim with the
// caller's owner is the caller's own, and no error. Otherwise it returns the error, and
// whether another owner's claim exists.
func (s *Store) tryClaim(ctx context.Context, c store.Claim, doc claimDoc, taken []store.Taken) (there bool, err error) {
	ref := s.claimRef(c.Service, c.ID)
	b := s.newBatch()
	b.Create(ref, doc)
	if err := s.addDocs(b, c); err != nil {
		return false, err
	}
	if !s.take(b, taken) {
		return false, store.ErrConflict
	}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = b.Commit(bounded)
	s.wrote(err)
	if err == nil {
		return false, nil
	}
	// The commit may have succeeded all the same: the client may have repeated one whose
	// answer was lost, or the caller's time may have ended. The claim's owner tells.
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterTimeout)
	defer cancel()
	d, lookErr := ref.Get(look)
	if lookErr != nil {
		return false, err
	}
	var got claimDoc
	if d.DataTo(&got) == nil && got.Owner != "" && got.Owner == c.Owner {
		return true, nil
	}
	return true, err
}

// take adds the deletion of the taken pointers to a commit. It returns false if one cannot
// wait as it was read.
func (s *Store) take(b *firestore.WriteBatch, taken []store.Taken) bool {
	for _, t := range taken {
		shards := s.shards(t.Endpoint)
		for _, p := range t.Pointers {
			b.Delete(s.pointer(shards, p), firestore.Exists)
		}
		set := s.waitingSet(t.Endpoint)
		for _, w := range t.Waiting {
			r, ok := asRead(w)
			if !ok {
				return false
			}
			b.Delete(namesOf(set, w.Key).doc(w), r.condition())
		}
	}
	return true
}

// ClaimByEventID implements [store.Store].
func (s *Store) ClaimByEventID(ctx context.Context, service, eventID string) (store.Claim, error) {
	if !utf8.ValidString(eventID) { // gRPC cannot carry it, and the client would retry until its deadline
		return store.Claim{}, store.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	docs, err := byEventID.on(s.service(service).Collection(colOutbox), eventID).Limit(1).Documents(ctx).GetAll()
	if err != nil {
		return store.Claim{}, failed("read a claim", err)
	}
	if len(docs) == 0 {
		return store.Claim{}, store.ErrNotFound
	}
	return toClaim(service, docs[0])
}
