package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
)

// Writable returns a fault if nobody may write the file. A source that replaces the file, or
// that runs as root, could write it all the same; but somebody protected it.
func Writable(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o222 != 0 {
		return nil
	}
	return fault.New(fault.Invalid, "the file %s is read-only: give it the right to be written, if syncs may push to it", credential.RedactURL(path))
}

// WriteFault turns an error of writing a file in Dir into one for people, with its cause. It
// leaves out the path of Dir, which tells callers about this machine.
func WriteFault(path string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || fence.Refused(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	code, why := fault.Unavailable, ""
	switch {
	case errors.Is(err, syscall.EROFS):
		code, why = fault.Invalid, ": its file system is read-only"
	case errors.Is(err, fs.ErrPermission):
		code, why = fault.Invalid, ": this process may not write in its directory"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		why = ": the disk is full"
	}
	return fault.Wrap(code, err, "the file %s cannot be written in the directory that syncs may use%s", credential.RedactURL(path), why)
}
