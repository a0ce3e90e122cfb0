//go:build linux && !race

package socket

import (
	"syscall"
	"unsafe"
)

// The scheduler is not told of these calls, which return at once.

func read(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))) //nolint:gosec // of a slice, for the time of the call
	return int(n), errno                                                                                                   //nolint:gosec // not more than len(p)
}

func write(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))) //nolint:gosec // of a slice, for the time of the call
	return int(n), errno                                                                                                    //nolint:gosec // not more than len(p)
}
