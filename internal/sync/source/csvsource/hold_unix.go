//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package csvsource

import (
	"os"
	"syscall"
)

// hold locks the open file and reports whether it succeeded. The lock is exclusive. The
// system releases it when h is closed, also if the process is killed.
func hold(h *os.File) bool {
	return syscall.Flock(int(h.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
