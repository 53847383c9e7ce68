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

// claimDoc has the fields that queries use, each with Firestore's automatic index, and all
// others in Data. See claimindex.go for the positions, whose names end with At. While a claim
// is gathered it has no EventID, and only one position, StateAt.
type claimDoc struct {
	EventID       string     `firestore:"eventID,omitempty"`
	At            []byte     `firestore:"at,omitempty"`
	StateAt       []byte     `firestore:"stateAt,omitempty"`
	KeyAt         []byte     `firestore:"keyAt,omitempty"`
	CompletionAt  []byte     `firestore:"completionAt,omitempty"`
	NextAttemptAt *time.Time `firestore:"nextAttemptAt,omitempty"` // only while claimed or gathering: Due queries it
	ExpireAt      *time.Time `firestore:"expireAt,omitempty"`      // only when published, failed or dropped: a waiting claim never expires
	Data          claimData  `firestore:"data"`
}

type claimData struct {
	TriggerType    string     `firestore:"triggerType"`
	Date           time.Time  `firestore:"date,omitempty"`
	Owner          string     `firestore:"owner"`
	NumberOfEvents int        `firestore:"numberOfEvents"`
	State          string     `firestore:"state"`
	Size           int64      `firestore:"size"`
	Attempts       int        `firestore:"attempts"`
	PublishedAt    *time.Time `firestore:"publishedAt,omitempty"`
	LastError      string     `firestore:"lastError,omitempty"`
	Window         []byte     `firestore:"window,omitempty"`  // JSON
	Targets        []byte     `firestore:"targets,omitempty"` // JSON
	Parts          int        `firestore:"parts,omitempty"`
	Gather         []byte     `firestore:"gather,omitempty"` // the caller's
	Lists          []byte     `firestore:"lists"`
}

// infoFields are the fields that a list reads: all except Lists and Gather, which may be large,
// and the positions.
var infoFields = []string{
	"eventID", "nextAttemptAt", "data.triggerType", "data.date", "data.owner", "data.numberOfEvents", "data.state", "data.size",
	"data.attempts", "data.publishedAt", "data.lastError", "data.window", "data.targets", "data.parts",
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
		EventID: c.EventID, NextAttemptAt: orNil(c.NextAttempt), ExpireAt: orNil(c.ExpireAt),
		Data: claimData{
			TriggerType: c.TriggerType, Date: c.Date, Owner: c.Owner, NumberOfEvents: c.NumberOfEvents, State: string(c.State),
			Size: c.Size, Attempts: c.Attempts, PublishedAt: orNil(c.PublishedAt), LastError: c.LastError,
			Parts: c.Parts, Gather: c.Gather, Lists: blob,
		},
	}
	doc.addPositions(c.ClaimInfo)
	return doc, doc.Data.addDetails(c.ClaimInfo)
}

func toClaimInfo(service string, d *firestore.DocumentSnapshot) (store.ClaimInfo, claimDoc, error) {
	var doc claimDoc
	if err := d.DataTo(&doc); err != nil {
		return store.ClaimInfo{}, doc, failed("read a claim", err)
	}
	info := store.ClaimInfo{
		ID: d.Ref.ID, Service: service, EventID: doc.EventID, TriggerType: doc.Data.TriggerType, Date: doc.Data.Date.UTC(),
		Owner: doc.Data.Owner, NumberOfEvents: doc.Data.NumberOfEvents, State: store.State(doc.Data.State), Size: doc.Data.Size,
		Attempts: doc.Data.Attempts, NextAttempt: orZero(doc.NextAttemptAt), PublishedAt: orZero(doc.Data.PublishedAt),
		LastError: doc.Data.LastError, Parts: doc.Data.Parts, Gather: doc.Data.Gather,
	}
	if err := doc.Data.details(&info); err != nil {
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
	if err := json.Unmarshal(doc.Data.Lists, &lists); err != nil {
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
		b.Set(col.Doc(encodeID(d.ID)), docDoc{Order: d.Order, ExpireAt: d.ExpireAt, Data: docData{d.Body, c.Owner}})
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
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err = b.Commit(bounded)
	s.wrote(err)
	if err == nil {
		return false, nil
	}
	// The commit may have succeeded all the same: the client may have repeated one whose
	// answer was lost, or the caller's time may have ended. The claim's owner tells.
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout/2)
	defer cancel()
	d, lookErr := ref.Get(look)
	if lookErr != nil {
		return false, err
	}
	var got claimDoc
	if d.DataTo(&got) == nil && got.Data.Owner != "" && got.Data.Owner == c.Owner {
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
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	docs, err := byEventID.on(s.messages(service), eventID).Limit(1).Documents(ctx).GetAll()
	if err != nil {
		return store.Claim{}, failed("read a claim", err)
	}
	if len(docs) == 0 {
		return store.Claim{}, store.ErrNotFound
	}
	return toClaim(service, docs[0])
}
