package exchange

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// fileName matches what may be uploaded: a plain name of a table of text. So no upload
// replaces a configuration, a program or the store, although the directory may hold them.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.(csv|tsv|txt)(\.gz)?$`)

// Uploaded describes a file that was stored.
type Uploaded struct {
	FileURL string `json:"fileUrl" description:"What a datasource of type csv has as its fileUrl."`
	Bytes   int    `json:"bytes"`
}

// Upload stores a file in the directory or the bucket that syncs may use, in place of one that has the
// name. Readers see the old content or the new one, never a part.
func (s *Service) Upload(ctx context.Context, name string, content []byte) (Uploaded, error) {
	env := s.o.Env
	switch {
	case env.Dir == nil && env.Upload == nil:
		return Uploaded{}, fault.New(fault.Invalid, "this deployment lets syncs use no files: configure sync.directory, or store the file in a bucket and use its gs:// URL")
	case !fileName.MatchString(name):
		return Uploaded{}, fault.New(fault.Invalid, "the name of a file must be letters, digits, '.', '_' and '-', and end in .csv, .tsv or .txt, also with .gz")
	}
	if err := env.NotStore(name, content[:min(len(content), 100)]); err != nil {
		return Uploaded{}, err
	}
	stored := Uploaded{FileURL: name, Bytes: len(content)}
	if env.Dir == nil {
		return stored, env.Upload(ctx, name, content)
	}
	if err := env.Reachable(name); err != nil {
		return Uploaded{}, err
	}
	if info, err := env.Dir.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return Uploaded{}, fault.New(fault.Conflict, "%s is there, and is not a file", name)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Uploaded{}, source.WriteFault(name, err)
	}
	temporary := name + "." + s.o.Random() + ".tmp"
	err := write(env.Dir, temporary, content)
	if err == nil {
		err = env.Dir.Rename(temporary, name)
	}
	if err != nil {
		_ = env.Dir.Remove(temporary)
		return Uploaded{}, source.WriteFault(name, err)
	}
	return stored, nil
}

func write(dir *os.Root, name string, content []byte) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
