package firestorestore

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A write costs money and a probe comes every two seconds: an instance that writes
// nothing else makes 2,880 probing writes a day, and fewer than 17,280 while writes fail.
const (
	freshWrite = 30 * time.Second
	retryWrite = 5 * time.Second
)

// wrote tells Writable how a commit ended. A refusal by a condition, a request that
// is at fault itself and a caller that left show nothing about the store.
func (s *Store) wrote(err error) {
	switch status.Code(err) {
	case codes.Canceled, codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented:
		return
	}
	if !refused(err) {
		s.writes.Ended(err)
	}
}

// Writable implements [store.Store].
func (s *Store) Writable(ctx context.Context) error { return s.writes.Writable(ctx, s.probe) }

// probe writes a document of this process alone, for many that write the same one
// refuse each other. It expires like those beside it.
func (s *Store) probe(ctx context.Context) error {
	ref := s.client.Collection(colCommits).Doc(s.probeID)
	if _, err := ref.Set(ctx, commitDoc{ExpireAt: s.now().Add(commitMemory)}); err != nil {
		return failed("probe", err)
	}
	return nil
}
