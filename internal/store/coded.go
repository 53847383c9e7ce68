package store

import (
	"context"
	"errors"

	"github.com/headgate/headgate/internal/platform/fault"
)

// Coded returns docs with errors that use cases can pass on: each is ErrConflict,
// ErrNotFound or has a fault code. An error that the driver left without a code becomes
// fault.Unavailable (see [CodedError]).
func Coded(docs Docs) Docs { return codedDocs{docs} }

// CodedError returns err with a fault code. ErrConflict, ErrNotFound and errors that have a
// code stay as they are. Any other error means that the store did not answer, so it becomes
// the cause of a fault.Unavailable. CodedError returns nil for nil.
func CodedError(err error) error {
	if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the store did not answer; send the request again")
}

// codedDocs does not embed the Docs, or a new method of the contract would return errors
// without a code.
type codedDocs struct{ docs Docs }

func (c codedDocs) Get(ctx context.Context, collection Collection, ids []string) ([]*Doc, error) {
	docs, err := c.docs.Get(ctx, collection, ids)
	return docs, CodedError(err)
}

func (c codedDocs) Commit(ctx context.Context, writes []Write) ([]string, error) {
	revs, err := c.docs.Commit(ctx, writes)
	return revs, CodedError(err)
}

func (c codedDocs) List(ctx context.Context, l Listing) ([]Doc, error) {
	docs, err := c.docs.List(ctx, l)
	return docs, CodedError(err)
}

func (c codedDocs) CountDocs(ctx context.Context, collection Collection, limit int) (int, error) {
	n, err := c.docs.CountDocs(ctx, collection, limit)
	return n, CodedError(err)
}

func (c codedDocs) Limits() Limits { return c.docs.Limits() }
