package firestorestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

const (
	// partBytes is the size of a part of a payload. A document may have 1 MiB.
	partBytes = 1_000_000
	// groupBytes and groupEvents keep a commit of several events small, because all of them
	// wait for it.
	groupBytes  = 3_500_000
	groupEvents = 200
	// maxEventBytes, with the framing, stays under the 10 MiB of a commit.
	maxEventBytes = 10_000_000
	// rounds bounds the attempts at a commit that other writers interfere with.
	rounds = 8
)

type eventDoc struct {
	Receipt  []byte    `firestore:"receipt"` // see packReceipt
	ExpireAt time.Time `firestore:"expireAt,omitempty"`
	Data     eventData `firestore:"data"`
}

type eventData struct {
	EventKey   string    `firestore:"eventKey"`
	ReceivedAt time.Time `firestore:"receivedAt"`
	Size       int64     `firestore:"size"`
	Attempt    string    `firestore:"attempt"`
	MetaSize   int64     `firestore:"metaSize"`
	Payload    []byte    `firestore:"payload"` // the first partBytes of meta and content
	Parts      int       `firestore:"parts"`   // the number of further documents
}

type partDoc struct {
	ExpireAt time.Time `firestore:"expireAt,omitempty"`
	Data     partData  `firestore:"data"`
}

type partData struct {
	Payload []byte `firestore:"payload"`
}

type pendingDoc struct {
	ReceivedAt time.Time `firestore:"receivedAt"`
}

// adding is an Append in progress.
type adding struct {
	*store.Append
	result *store.AppendResult
	doc    eventDoc
	parts  []partDoc

	lost     event.Ref // the event that loses the slot by the commit that is prepared
	slotRead time.Time // when the slot was read for that commit; zero without a slot
}

// Append implements [store.Store].
func (s *Store) Append(ctx context.Context, events []store.Append) []store.AppendResult {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	results := make([]store.AppendResult, len(events))
	type name struct{ service, id string }
	first := make(map[name]int, len(events))
	repeats := make(map[int]int)
	var group []*adding
	var weight int64
	for i := range events {
		n := name{events[i].Endpoint.Service, events[i].Event.ID}
		if j, ok := first[n]; ok {
			repeats[i] = j
			continue
		}
		first[n] = i
		a := newAdding(&events[i], &results[i])
		if a.doc.Data.Size > maxEventBytes {
			results[i].Err = fault.New(fault.TooLarge, "the event has %d bytes, and %d is the most", a.doc.Data.Size, maxEventBytes)
			continue
		}
		if a.doc.Receipt, results[i].Err = packReceipt(events[i].Event.Ref()); results[i].Err != nil {
			continue
		}
		if a.Place != nil {
			if _, err := packWaiting(a.waiting()); err != nil {
				results[i].Err = err
				continue
			}
		}
		if len(group) == groupEvents || len(group) > 0 && weight+a.doc.Data.Size > groupBytes {
			s.add(ctx, group)
			group, weight = nil, 0
		}
		group, weight = append(group, a), weight+a.doc.Data.Size+512
		if a.Place != nil {
			weight += int64(len(a.Place.Key))
		}
	}
	s.add(ctx, group)
	for i, j := range repeats {
		results[i] = results[j]
		results[i].Duplicate, results[i].Superseded = results[j].Err == nil, event.Ref{}
	}
	return results
}

func newAdding(a *store.Append, r *store.AppendResult) *adding {
	meta := a.Event.MetaJSON()
	payload := append(meta, a.Event.Content...)
	out := &adding{Append: a, result: r, doc: eventDoc{
		ExpireAt: a.ExpireAt,
		Data: eventData{
			EventKey: a.Event.Key, ReceivedAt: a.Event.ReceivedAt, Size: int64(len(payload)),
			Attempt: a.Attempt, MetaSize: int64(len(meta)),
		},
	}}
	out.doc.Data.Payload, out.parts = split(payload, a.ExpireAt)
	out.doc.Data.Parts = len(out.parts)
	return out
}

func split(payload []byte, expireAt time.Time) (first []byte, parts []partDoc) {
	n := min(len(payload), partBytes)
	first, payload = payload[:n], payload[n:]
	for len(payload) > 0 {
		n := min(len(payload), partBytes)
		parts = append(parts, partDoc{ExpireAt: expireAt, Data: partData{payload[:n]}})
		payload = payload[n:]
	}
	return first, parts
}

// add stores a group in one commit. If the commit is refused, add answers the events that
// are stored already, and tries again with the others.
func (s *Store) add(ctx context.Context, group []*adding) {
	most := roundsOf(group)
	for round := range most {
		if len(group) == 0 {
			return
		}
		b := s.newBatch()
		for _, a := range group {
			ref := s.event(a.Endpoint.Service, a.Event.ID)
			b.Create(ref, a.doc)
			for i, p := range a.parts {
				b.Create(part(ref, i), p)
			}
		}
		if err := s.addPointers(ctx, b, group); err != nil {
			answer(group, err)
			return
		}
		marked := s.mark(b, group)
		_, err := b.Commit(ctx)
		s.wrote(err)
		if err == nil {
			s.latest.raise(marked)
			for _, a := range group {
				a.result.ReceivedAt, a.result.Superseded = a.doc.Data.ReceivedAt, a.lost
			}
			return
		}
		if !refused(err) {
			answer(group, failed("append", err))
			return
		}
		before := len(group)
		if group, err = s.answerStored(ctx, group); err != nil {
			answer(group, err)
			return
		}
		if len(group) == before && most == slotRounds { // not a duplicate, so a slot interfered
			backOff(ctx, round)
		}
	}
	answer(group, failed("append", errBusy))
}

func answer(group []*adding, err error) {
	for _, a := range group {
		a.result.Err = err
	}
}

func part(event *firestore.DocumentRef, i int) *firestore.DocumentRef {
	return event.Collection(colParts).Doc(fmt.Sprintf("%03d", i))
}

// answerStored answers the events of the group that are stored already, and returns the rest.
// A stored event is this request's own, a duplicate, or forgotten. It replaces a forgotten
// one.
func (s *Store) answerStored(ctx context.Context, group []*adding) (rest []*adding, err error) {
	refs := make([]*firestore.DocumentRef, len(group))
	for i, a := range group {
		refs[i] = s.event(a.Endpoint.Service, a.Event.ID)
	}
	docs, err := s.client.GetAll(ctx, refs)
	if err != nil {
		return group, failed("append: read what is there", err)
	}
	for i, a := range group {
		var there eventDoc
		if !docs[i].Exists() {
			rest = append(rest, a)
			continue
		}
		if err := docs[i].DataTo(&there); err != nil {
			a.result.Err = failed("append: read what is there", err)
			continue
		}
		switch {
		case there.Data.Attempt != "" && there.Data.Attempt == a.Attempt: // our own commit, whose answer was lost
			a.result.ReceivedAt = there.Data.ReceivedAt
			if !a.slotRead.IsZero() && docs[i].CreateTime.After(a.slotRead) { // the commit of this call, not of an earlier one
				a.result.Superseded = a.lost
			}
		case !a.Forgotten(there.Data.ReceivedAt):
			*a.result = store.AppendResult{Duplicate: true, ReceivedAt: there.Data.ReceivedAt}
		default:
			if err := s.replace(ctx, a, docs[i], there); refused(err) {
				rest = append(rest, a) // another instance was first: read again
			} else if err != nil {
				a.result.Err = failed("append: replace a forgotten event", err)
			} else {
				a.result.ReceivedAt, a.result.Superseded = a.doc.Data.ReceivedAt, a.lost
			}
		}
	}
	return rest, nil
}

// replace stores a new event under the id of a forgotten one. It archives the old event
// before, because a claim may still name it. The commit has the condition that the old event
// has not changed since it was read, so of two instances one wins.
func (s *Store) replace(ctx context.Context, a *adding, snap *firestore.DocumentSnapshot, there eventDoc) error {
	if err := s.archive(ctx, a.Endpoint.Service, a.Event.ID, snap.Ref, there); err != nil {
		return err
	}
	b := s.newBatch()
	b.Update(snap.Ref, []firestore.Update{
		{Path: "data", Value: a.doc.Data}, {Path: "receipt", Value: a.doc.Receipt}, {Path: "expireAt", Value: a.doc.ExpireAt},
	}, firestore.LastUpdateTime(snap.UpdateTime))
	for i := range max(there.Data.Parts, len(a.parts)) {
		if i < len(a.parts) {
			b.Set(part(snap.Ref, i), a.parts[i])
		} else {
			b.Delete(part(snap.Ref, i))
		}
	}
	if err := s.addPointers(ctx, b, []*adding{a}); err != nil {
		return err
	}
	marked := s.mark(b, []*adding{a})
	_, err := b.Commit(ctx)
	s.wrote(err)
	if err == nil {
		s.latest.raise(marked)
	}
	return err
}

// archive copies an event to its archived id, where a claim that names it looks too.
func (s *Store) archive(ctx context.Context, service, id string, ref *firestore.DocumentRef, there eventDoc) error {
	payload, err := s.payload(ctx, ref, there)
	if errors.Is(err, store.ErrNotFound) { // it has expired, and its parts are deleted: no claim can use it any more
		return nil
	}
	if err != nil {
		return err
	}
	name := event.Ref{ID: event.ArchivedID(id, there.Data.ReceivedAt), ReceivedAt: there.Data.ReceivedAt}
	archive := s.event(service, name.ID)
	b := s.newBatch()
	old := there
	if old.Receipt, err = packReceipt(name); err != nil {
		return err
	}
	var parts []partDoc
	old.Data.Payload, parts = split(payload, there.ExpireAt)
	b.Create(archive, old)
	for i, p := range parts {
		b.Create(part(archive, i), p)
	}
	if _, err := b.Commit(ctx); err != nil && status.Code(err) != codes.AlreadyExists {
		return err
	}
	return nil
}

// payload returns an event's whole payload, including its parts.
func (s *Store) payload(ctx context.Context, ref *firestore.DocumentRef, d eventDoc) ([]byte, error) {
	if d.Data.Parts == 0 {
		return d.Data.Payload, nil
	}
	refs := make([]*firestore.DocumentRef, d.Data.Parts)
	for i := range refs {
		refs[i] = part(ref, i)
	}
	docs, err := s.client.GetAll(ctx, refs)
	if err != nil {
		return nil, err
	}
	payload := append(make([]byte, 0, d.Data.Size), d.Data.Payload...)
	for _, doc := range docs {
		var p partDoc
		if !doc.Exists() {
			return nil, store.ErrNotFound
		}
		if err := doc.DataTo(&p); err != nil {
			return nil, err
		}
		payload = append(payload, p.Data.Payload...)
	}
	return payload, nil
}

// Events implements [store.Store].
func (s *Store) Events(ctx context.Context, service string, members []store.Member) ([]event.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	out := make([]event.Event, len(members))
	moved, err := s.readEvents(ctx, service, members, out, all(len(members)), func(m store.Member) string { return m.ID })
	if err == nil && len(moved) > 0 {
		moved, err = s.readEvents(ctx, service, members, out, moved,
			func(m store.Member) string { return event.ArchivedID(m.ID, m.ReceivedAt) })
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, err
	case err != nil:
		return nil, failed("read events", err)
	case len(moved) > 0:
		return nil, store.ErrNotFound
	}
	return out, nil
}

func all(n int) []int {
	which := make([]int, n)
	for i := range which {
		which[i] = i
	}
	return which
}

// readEvents reads the members at the indexes in which, each under the id that id returns. It
// returns the indexes of the members that are not stored under that id, or only with another
// time.
func (s *Store) readEvents(ctx context.Context, service string, members []store.Member, out []event.Event, which []int, id func(store.Member) string) (missing []int, err error) {
	refs := make([]*firestore.DocumentRef, len(which))
	for i, n := range which {
		refs[i] = s.event(service, id(members[n]))
	}
	docs, err := s.client.GetAll(ctx, refs)
	if err != nil {
		return nil, err
	}
	for i, n := range which {
		var d eventDoc
		if docs[i].Exists() {
			if err := docs[i].DataTo(&d); err != nil {
				return nil, err
			}
		}
		if !docs[i].Exists() || !d.Data.ReceivedAt.Equal(members[n].ReceivedAt) {
			missing = append(missing, n)
			continue
		}
		payload, err := s.payload(ctx, docs[i].Ref, d)
		if err != nil {
			return nil, err
		}
		meta, err := event.ParseMeta(payload[:d.Data.MetaSize])
		if err != nil {
			return nil, err
		}
		out[n] = event.Event{
			ID: members[n].ID, Key: d.Data.EventKey, ReceivedAt: d.Data.ReceivedAt.UTC(), Meta: meta, Content: payload[d.Data.MetaSize:],
		}
	}
	return missing, nil
}
