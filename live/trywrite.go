//go:build unix

package live

import (
	"errors"
	"syscall"
)

// canTry says that a socket can be written to without waiting.
const canTry = true

// tryWrite returns how many bytes the socket took, 0 if it has no room. Sockets of Go's
// package net never wait by themselves.
func tryWrite(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), p)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, syscall.EAGAIN):
			return 0, nil
		case !errors.Is(err, syscall.EINTR):
			return 0, err
		}
	}
}
