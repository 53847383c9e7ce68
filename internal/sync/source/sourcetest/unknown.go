package sourcetest

import (
	"errors"
	"io"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

var unknownTests = topic{
	"UnknownDatatype": func(f *fixture) {
		if f.h.AnyDatatype {
			return
		}
		p := f.request(5)
		p.Datatype = "nosuchthing"
		s := f.open()
		r, err := s.Pull(f.ctx, p)
		if err == nil {
			_, err = r.Next(f.ctx)
			require.NoError(f, r.Close())
		}
		require.Error(f, err)
		require.False(f, errors.Is(err, io.EOF), "an unknown datatype must not look like an empty one")
		require.NotEqual(f, fault.Internal, fault.CodeOf(err), "the message is not for people: %v", err)
		require.Contains(f, err.Error(), "nosuchthing")
	},
}

var readOnlyTests = topic{
	"ReadOnly": func(f *fixture) {
		_, err := f.open().Push(f.ctx, f.spec(), []source.Change{f.create(1)})
		require.ErrorIs(f, err, source.ErrReadOnly)
	},
}
