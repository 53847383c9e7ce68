package firestorestore

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// freshWrite and retryWrite limit the test writes, because a write costs money and a
// readiness probe calls Writable every two seconds. An instance that writes nothing else makes
// 2,880 test writes a day, and at most 17,280 while writes fail.
const (
	freshWrite = 30 * time.Second
	retryWrite = 5 * time.Second
)

// wrote records the end of a commit for Writable. A failed precondition, an invalid request
// and a caller that left show nothing about the store, so it ignores them.
func (s *Store) wrote(err error) {
	switch status.Code(err) {
	case codes.Canceled, codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented:
		return
	}
	if !refused(err) {
		s.writes.Ended(err)
	}
}

// Writable implements [store.Store]. The first call also looks for documents of an earlier
// layout, so that an instance which cannot read them does not become ready.
func (s *Store) Writable(ctx context.Context) error {
	if !s.layoutChecked.Load() {
		if err := s.checkLayout(ctx); err != nil {
			return err
		}
		s.layoutChecked.Store(true)
	}
	return s.writes.Writable(ctx, s.probe)
}

// probe writes a document that only this process writes, because writers of one document
// would abort each other. It expires like the marks of commits beside it.
func (s *Store) probe(ctx context.Context) error {
	ref := s.commitMark(s.probeID)
	if _, err := ref.Set(ctx, commitDoc{ExpireAt: s.wall().Add(commitMemory)}); err != nil {
		return failed("probe", err)
	}
	return nil
}
