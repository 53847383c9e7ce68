package firestorestore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/store"
)

// partJSON is the payload of a part of a claim. Members are packed, by list.
type partJSON struct {
	Owner   string   `json:"o"`
	Members [][]byte `json:"m"`
}

// claimPart returns the document of a part of a claim.
func claimPart(claim *firestore.DocumentRef, num int) *firestore.DocumentRef {
	return claim.Collection(colParts).Doc(fmt.Sprintf("%06d", num))
}

// Gather implements [store.Parts] by one blind commit. The part's document is created if it
// does not exist, so of two commits with one number the second fails.
func (s *Store) Gather(ctx context.Context, c store.Claim, p store.Part) error {
	doc, err := toClaimDoc(c)
	if err != nil {
		return err
	}
	body := partJSON{Owner: c.Owner, Members: make([][]byte, len(p.Members))}
	for i, ms := range p.Members {
		if body.Members[i], err = pack(ms); err != nil {
			return err
		}
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ref := s.claimRef(c.Service, c.ID)
	if !c.ExpireAt.IsZero() {
		if err := s.expireParts(ctx, ref, c.Parts-1, c.ExpireAt); err != nil {
			return err
		}
	}
	part := claimPart(ref, c.Parts-1)
	b := s.newBatch()
	b.Create(part, partDoc{ExpireAt: c.ExpireAt, Data: partData{payload}})
	if c.Parts == 1 {
		b.Create(ref, doc)
	} else {
		b.Set(ref, doc)
	}
	if err := s.addDocs(b, c); err != nil {
		return err
	}
	if !s.take(b, p.Taken) {
		return store.ErrConflict
	}
	for _, m := range p.Marks {
		if err := s.addMark(b, m); err != nil {
			return err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err = b.Commit(bounded)
	s.wrote(err)
	if err == nil || s.ownsPart(ctx, part, c.Owner) {
		return nil
	}
	if refused(err) {
		return store.ErrConflict
	}
	return failed("gather", err)
}

// addMark adds the creation of a mark's pointers to a commit.
func (s *Store) addMark(b *firestore.WriteBatch, mark store.Taken) error {
	shards := s.shards(mark.Endpoint)
	for _, p := range mark.Pointers {
		b.Set(s.pointer(shards, p), pendingDoc{ReceivedAt: p.ReceivedAt})
	}
	set := s.waitingSet(mark.Endpoint)
	for _, w := range mark.Waiting {
		packed, err := packWaiting(w)
		if err != nil {
			return err
		}
		b.Set(namesOf(set, w.Key).doc(w), waitingDoc{Packed: packed})
	}
	return nil
}

// ownsPart reports whether the attempt with that owner has stored the part, although its
// commit failed: the client may have repeated one whose answer was lost.
func (s *Store) ownsPart(ctx context.Context, part *firestore.DocumentRef, owner string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout/2)
	defer cancel()
	got, err := readPart(ctx, part)
	return err == nil && owner != "" && got.Owner == owner
}

func readPart(ctx context.Context, part *firestore.DocumentRef) (body partJSON, err error) {
	d, err := part.Get(ctx)
	if notFound(err) {
		return body, store.ErrNotFound
	}
	var doc partDoc
	if err == nil {
		err = d.DataTo(&doc)
	}
	if err == nil {
		err = json.Unmarshal(doc.Data.Payload, &body)
	}
	if err != nil {
		return body, failed("read a part of a claim", err)
	}
	return body, nil
}

// Members implements [store.Parts].
func (s *Store) Members(ctx context.Context, service, id string, num int) ([][]store.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	body, err := readPart(ctx, claimPart(s.claimRef(service, id), num))
	if err != nil {
		return nil, err
	}
	members := make([][]store.Member, len(body.Members))
	for i, b := range body.Members {
		if members[i], err = unpack(b); err != nil {
			return nil, failed("read a part of a claim", err)
		}
	}
	return members, nil
}

// ClaimByID implements [store.Parts].
func (s *Store) ClaimByID(ctx context.Context, service, id string) (store.Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	d, err := s.claimRef(service, id).Get(ctx)
	if notFound(err) {
		return store.Claim{}, store.ErrNotFound
	}
	if err != nil {
		return store.Claim{}, failed("read a claim", err)
	}
	return toClaim(service, d)
}

// Gatherings implements [store.Parts].
func (s *Store) Gatherings(ctx context.Context, service string, limit int) ([]store.ClaimInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	docs, err := inPrefix(byState, s.messages(service), statePrefix(store.Gathering)).
		Select(infoFields...).Limit(limit).Documents(ctx).GetAll()
	if err != nil {
		return nil, failed("list claims in parts", err)
	}
	return toInfos(service, docs)
}

// expireParts sets the expiry of the first n parts of a claim. It precedes that of the claim,
// because nothing would find parts that were left without one.
func (s *Store) expireParts(ctx context.Context, claim *firestore.DocumentRef, n int, at time.Time) error {
	nums := make([]int, n)
	for i := range nums {
		nums[i] = i
	}
	for group := range slices.Chunk(nums, discardChunk) {
		b := s.newBatch()
		for _, i := range group {
			b.Update(claimPart(claim, i), []firestore.Update{{Path: "expireAt", Value: at}})
		}
		bounded, cancel := context.WithTimeout(ctx, s.timeout)
		_, err := b.Commit(bounded)
		cancel()
		if err != nil {
			return failed("let the parts of a claim expire", err)
		}
	}
	return nil
}
