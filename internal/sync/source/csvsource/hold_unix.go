//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package csvsource

import (
	"os"
	"syscall"
)

// hold reports whether h is now held by this process, as none other does. The system
// lets go of it when h is closed, also when the process is killed.
func hold(h *os.File) bool {
	return syscall.Flock(int(h.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
