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

// maxTries bounds how often a push begins again because others changed the file.
const maxTries = 5

// errChanged says that the file is no longer the one that was read.
var errChanged = errors.New("csvsource: the file was changed while it was being rewritten")

// recent is how young a file may be so that a later change could leave it with the
// same times: file systems count in ticks, some of them in seconds.
const recent = 2500 * time.Millisecond

// seen is a local file as it was when it was opened. A change by others shows in its
// inode, its size or its times, or, where it is too young for that, in its content.
type seen struct {
	info   fs.FileInfo
	digest hash.Hash // of what was read; nil: the times tell
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

// reading returns the reader, with what is read noted where that is needed.
func (s *seen) reading(r io.Reader) io.Reader {
	if s.digest == nil {
		return r
	}
	return io.TeeReader(r, s.digest)
}

// same reports whether the file that is there now is the one that was opened, and has
// the same size and times.
func (s *seen) same(now fs.FileInfo) bool {
	return os.SameFile(s.info, now) && s.info.Size() == now.Size() &&
		s.info.ModTime().Equal(now.ModTime()) && statusTime(s.info).Equal(statusTime(now))
}

// unchanged returns errChanged if the file is not what was read as in; nil stands for
// no file. Between its last look and the rename some instants remain.
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

// untilDone is a reader that fails when the context ends.
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
