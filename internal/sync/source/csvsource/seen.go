package csvsource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"
)

// maxTries bounds how often a push starts again because somebody changed the file.
const maxTries = 5

// errChanged reports that somebody changed the file after it was read.
var errChanged = errors.New("csvsource: the file was changed while it was being rewritten")

// recent is the age up to which a file's times do not prove that it is unchanged. File
// systems count in ticks, some of them in seconds, and two changes within one tick leave
// the same times.
const recent = 2500 * time.Millisecond

// seen is the state of a local file when it was opened. A later change shows in the
// inode, the size or the times. If the file is too young for its times to tell, the
// digest of its content shows the change.
type seen struct {
	info   fs.FileInfo
	digest hash.Hash // digest of the bytes that were read; nil: the times suffice
}

func newSeen(info fs.FileInfo, now func() time.Time) *seen {
	if now == nil {
		now = time.Now
	}
	s := &seen{info: info}
	if now().Sub(info.ModTime()) < recent || now().Sub(statusTime(info)) < recent {
		s.digest = sha256.New()
	}
	return s
}

// reading returns a reader that also feeds the digest, if there is one.
func (s *seen) reading(r io.Reader) io.Reader {
	if s.digest == nil {
		return r
	}
	return io.TeeReader(r, s.digest)
}

// same reports whether now describes the file that was opened, with the same size and
// times.
func (s *seen) same(now fs.FileInfo) bool {
	return os.SameFile(s.info, now) && s.info.Size() == now.Size() &&
		s.info.ModTime().Equal(now.ModTime()) && statusTime(s.info).Equal(statusTime(now))
}

// unchanged returns errChanged if the file differs from the one that was read as in. A nil
// in stands for a file that did not exist. The check comes right before the rename, but
// some instants remain between the two.
func (f *file) unchanged(ctx context.Context, in *stream) error {
	now, err := f.env.Dir.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && in == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), err == nil && (in == nil || !in.seen.same(now)):
		return errChanged
	case err != nil || in.seen.digest == nil:
		return err
	}
	h, err := f.env.OpenFile(f.path)
	if err != nil {
		return errors.Join(errChanged, err)
	}
	defer func() { _ = h.Close() }()
	content := sha256.New()
	if _, err := io.Copy(content, &untilDone{Reader: h, ctx: ctx}); err != nil {
		return readError(err)
	}
	if f.afterLook != nil {
		f.afterLook()
	}
	if now, err = h.Stat(); err != nil || !in.seen.same(now) || !bytes.Equal(content.Sum(nil), in.seen.digest.Sum(nil)) {
		return errors.Join(errChanged, err)
	}
	return nil
}

// untilDone is a reader that fails once its context has ended.
type untilDone struct {
	io.Reader
	ctx context.Context
}

// Read implements io.Reader.
func (r *untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
